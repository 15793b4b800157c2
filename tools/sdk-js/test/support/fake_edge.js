// FakeEdge: a WebSocket server that says what the test tells it to, frame by frame. Enough of RFC 6455 for that.
import { createHash } from "node:crypto";
import http from "node:http";
import { inbox } from "./inbox.js";

const kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** One client's socket as the server sees it. */
class Peer {
  constructor(socket) {
    this.socket = socket;
    this.frames = inbox(); // what the client said, parsed
    this.ended = inbox();
    this.rest = Buffer.alloc(0);
    socket.on("data", (bytes) => this.#onData(bytes));
    socket.on("close", () => this.ended.put("closed"));
    socket.on("error", () => {});
  }

  send(...frames) {
    for (const frame of frames) this.#write(1, Buffer.from(JSON.stringify(frame)));
  }

  ping() {
    this.#write(9, Buffer.from("p"));
  }

  close(code = 1000) {
    const body = Buffer.alloc(2);
    body.writeUInt16BE(code);
    this.#write(8, body);
    this.socket.end();
  }

  /** As kill -9 would. */
  cut() {
    this.socket.destroy();
  }

  /** The next frame, which must be of this type. */
  async expect(type) {
    const frame = await this.frames.take(`a ${type} frame`);
    if (frame.type !== type) throw new Error(`expected ${type}, got ${JSON.stringify(frame)}`);
    return frame;
  }

  /** connect and welcome, then the frames given. */
  async greet(welcome = {}, ...frames) {
    const connect = await this.expect("connect");
    this.send({ type: "welcome", session: "s1", ticket: "t1", edge: "fake", keepalive_ms: 25000, resumed: false, ...welcome }, ...frames);
    return connect;
  }

  #write(opcode, body) {
    const head = body.length > 65535 ? Buffer.alloc(10) : body.length > 125 ? Buffer.alloc(4) : Buffer.alloc(2);
    head[0] = 128 | opcode;
    if (head.length === 2) head[1] = body.length;
    if (head.length === 4) head.writeUInt16BE(body.length, 2), (head[1] = 126);
    if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2), (head[1] = 127);
    if (this.socket.writable) this.socket.write(Buffer.concat([head, body]));
  }

  #onData(bytes) {
    this.rest = Buffer.concat([this.rest, bytes]);
    while (this.rest.length >= 6) {
      const short = this.rest[1] & 127;
      const begin = short === 126 ? 8 : 6;
      if (this.rest.length < begin) return;
      const size = short === 126 ? this.rest.readUInt16BE(2) : short;
      if (this.rest.length < begin + size) return;
      const mask = this.rest.subarray(begin - 4, begin);
      const body = Buffer.from(this.rest.subarray(begin, begin + size).map((b, i) => b ^ mask[i & 3]));
      const opcode = this.rest[0] & 15;
      this.rest = this.rest.subarray(begin + size);
      if (opcode === 1) this.frames.put(JSON.parse(body.toString()));
      if (opcode === 10) this.frames.put({ type: "pong-frame" });
      if (opcode === 8) this.socket.end();
    }
  }
}

/** `handlers.http(request, response)` answers plain requests; `handlers.refuse` true turns WebSockets away for a second. */
export async function fakeEdge(t, handlers = {}) {
  const peers = inbox();
  const open = new Set();
  const server = http.createServer((request, response) => (handlers.http ? handlers.http(request, response) : response.writeHead(404).end()));
  server.on("upgrade", (request, socket) => {
    if (handlers.refuse) return socket.end("HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n");
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + kGuid).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n` +
        "sec-websocket-protocol: tocsin.v1.json\r\n\r\n",
    );
    const peer = new Peer(socket);
    open.add(peer);
    peers.put(peer);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const peer of open) peer.cut();
    server.closeAllConnections?.();
    server.close();
  });
  return { url: `ws://127.0.0.1:${server.address().port}`, peer: (ms) => peers.take("a connection", ms), handlers, waiting: () => peers.size };
}

export const subscribed = (id, sub, offset, outcome = "live", more = {}) => ({
  type: "subscribed", id, sub, channel: "incidents", outcome, position: { epoch: "00000000000000e1", offset }, ...more,
});
export const snapshot = (sub, ids, last = true) => ({ type: "snapshot", sub, last, incidents: ids.map((id) => ({ id, version: 1, status: "detected" })) });
export const update = (sub, offset, key = `k${offset}`, more = {}) => ({
  type: "update", sub, offset, event_id: `e${offset}`, kind: "updated", key, at: "2026-01-01T00:00:00Z", incident: { id: key, version: offset, status: "detected" }, ...more,
});
