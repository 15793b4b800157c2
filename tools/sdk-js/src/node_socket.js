// NodeSocket: a WebSocket client (RFC 6455) with the browser's interface, as far as this SDK uses it, for Node versions that
// have none. No extensions; text only.
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";

const kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const kMaxMessage = 64 << 20;

export class NodeSocket {
  readyState = 0;
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  #socket = null;
  #request;
  #rest = Buffer.alloc(0);
  #parts = [];
  #partsSize = 0;
  #code = 1006;
  #reason = "";
  #timer;

  constructor(url, protocol) {
    const target = new URL(url.replace(/^ws/, "http"));
    const key = randomBytes(16).toString("base64");
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": key };
    if (protocol) headers["sec-websocket-protocol"] = protocol;
    this.#request = (target.protocol === "https:" ? https : http).request(target, { headers, agent: false });
    this.#request.on("upgrade", (reply, socket, head) => this.#onUpgrade(reply, socket, head, key));
    this.#request.on("response", (reply) => {
      reply.destroy();
      this.#fail(`HTTP ${reply.statusCode}`, Number(reply.headers["retry-after"]) * 1000 || undefined);
    });
    this.#request.on("error", (error) => this.#fail(error.message));
    this.#request.end();
  }

  send(text) {
    if (this.readyState === 1) this.#write(1, Buffer.from(text));
  }

  close(code = 1000, reason = "") {
    if (this.readyState >= 2) return;
    if (this.readyState === 0) {
      this.#request.destroy();
      return this.#fail("closed before it was open");
    }
    this.readyState = 2;
    const body = Buffer.from(`  ${reason}`);
    body.writeUInt16BE(code);
    this.#write(8, body);
    this.#timer = setTimeout(() => this.#socket.destroy(), 3_000);
  }

  #onUpgrade(reply, socket, head, key) {
    const accept = createHash("sha1").update(key + kGuid).digest("base64");
    if (this.readyState !== 0 || reply.headers["sec-websocket-accept"] !== accept) {
      socket.destroy();
      return this.#fail("the server's handshake is not valid");
    }
    this.#socket = socket;
    this.readyState = 1;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => this.#onData(bytes));
    socket.on("error", () => {});
    socket.on("close", () => this.#closed());
    this.onopen?.({ type: "open" });
    if (head.length > 0) this.#onData(head);
  }

  #onData(bytes) {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    let at = 0;
    for (;;) {
      const frame = this.#frameAt(at);
      if (!frame) break;
      at = frame.end;
      this.#onFrame(frame);
    }
    this.#rest = this.#rest.subarray(at);
  }

  #frameAt(at) {
    const b = this.#rest;
    if (b.length < at + 2) return null;
    let size = b[at + 1] & 127;
    let begin = at + 2;
    if (size === 126) {
      if (b.length < at + 4) return null;
      size = b.readUInt16BE(at + 2);
      begin = at + 4;
    } else if (size === 127) {
      if (b.length < at + 10) return null;
      size = Number(b.readBigUInt64BE(at + 2));
      begin = at + 10;
    }
    if (size > kMaxMessage) return this.#abort(1009);
    if (b.length < begin + size) return null;
    return { last: (b[at] & 128) !== 0, opcode: b[at] & 15, body: b.subarray(begin, begin + size), end: begin + size };
  }

  #onFrame({ last, opcode, body }) {
    if (opcode === 8) return this.#onClose(body);
    if (opcode === 9) return this.#write(10, body);
    if (opcode > 2) return;
    this.#parts.push(body);
    this.#partsSize += body.length;
    if (this.#partsSize > kMaxMessage) return this.#abort(1009);
    if (!last) return;
    const data = (this.#parts.length === 1 ? body : Buffer.concat(this.#parts)).toString("utf8");
    this.#parts = [];
    this.#partsSize = 0;
    this.onmessage?.({ type: "message", data });
  }

  #onClose(body) {
    this.#code = body.length >= 2 ? body.readUInt16BE(0) : 1005;
    this.#reason = body.subarray(2).toString("utf8");
    if (this.readyState === 1) this.#write(8, body.subarray(0, 2));
    this.readyState = 2;
    this.#socket.end();
  }

  #write(opcode, body) {
    if (!this.#socket?.writable) return;
    const wide = body.length > 65_535 ? 8 : body.length > 125 ? 2 : 0;
    const frame = Buffer.alloc(6 + wide + body.length);
    frame[0] = 128 | opcode;
    frame[1] = 128 | (wide === 8 ? 127 : wide === 2 ? 126 : body.length);
    if (wide === 2) frame.writeUInt16BE(body.length, 2);
    if (wide === 8) frame.writeBigUInt64BE(BigInt(body.length), 2);
    const mask = randomBytes(4);
    mask.copy(frame, 2 + wide);
    for (let i = 0; i < body.length; i += 1) frame[6 + wide + i] = body[i] ^ mask[i & 3];
    this.#socket.write(frame);
  }

  #abort(code) {
    this.#code = code;
    this.#socket.destroy();
    return null;
  }

  /** `retryAfterMs` is more than a browser tells: how long the server that refused wants to be left alone. */
  #fail(message, retryAfterMs) {
    if (this.readyState === 3) return;
    this.onerror?.({ type: "error", message, retryAfterMs });
    this.#closed();
  }

  #closed() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    clearTimeout(this.#timer);
    this.onclose?.({ type: "close", code: this.#code, reason: this.#reason, wasClean: this.#code !== 1006 });
  }
}
