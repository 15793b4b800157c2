/** An error that the server or this library names: `code`, `status` and `retry` as in PROTOCOL.md section 7. */
export class TocsinError extends Error {
  constructor(code, message, { status = 0, retry = "never" } = {}) {
    super(message);
    this.name = "TocsinError";
    this.code = code;
    this.status = status;
    this.retry = retry;
  }

  static of(frame) {
    return new TocsinError(frame.code ?? "internal", frame.message ?? frame.detail ?? frame.code, frame);
  }
}
