// Publishes: those without an answer. Said again on every new link; the event_id makes that one publish.
// Bound: `max`; one more is refused with too_many.
import { TocsinError } from "./error.js";

export class Publishes {
  #waiting = new Map(); // ref -> {update, resolve, reject}
  #count = 0;

  constructor(max) {
    this.max = max;
  }

  add(update, link) {
    if (this.#waiting.size >= this.max) {
      return Promise.reject(new TocsinError("too_many", `${this.max} publishes wait for an answer`, { status: 429, retry: "backoff" }));
    }
    const ref = `p${(this.#count += 1)}`;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ref, { update, resolve, reject });
      link?.publish(ref, update);
    });
  }

  repeat(link) {
    for (const [ref, { update }] of this.#waiting) link.publish(ref, update);
  }

  answered(frame) {
    const waiting = this.#waiting.get(frame.ref);
    if (!waiting) return;
    this.#waiting.delete(frame.ref);
    if (frame.type === "error") return waiting.reject(TocsinError.of(frame));
    const { type, ref, ...published } = frame;
    waiting.resolve(published);
  }

  fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
