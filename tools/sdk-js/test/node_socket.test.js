// Our WebSocket for Node, against servers that behave badly. What behaves well is in every other test.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import net from "node:net";
import { test } from "node:test";
import { NodeSocket } from "../src/node_socket.js";
import { inbox } from "./support/inbox.js";

async function raw(t, talk) {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      const key = /sec-websocket-key: (.*)\r/i.exec(bytes)[1];
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      talk(socket, `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const socket = new NodeSocket(`ws://127.0.0.1:${server.address().port}/`);
  const events = inbox();
  for (const name of ["onopen", "onmessage", "onerror", "onclose"]) socket[name] = (e) => events.put(e);
  return { socket, events };
}

test("frames in pieces, with the handshake, and fragmented, with a ping between", async (t) => {
  const { socket, events } = await raw(t, (peer, head) => {
    const bytes = Buffer.concat([
      Buffer.from([0x81, 2]), Buffer.from("hi"), // whole
      Buffer.from([0x01, 3]), Buffer.from("one"), Buffer.from([0x89, 0]), Buffer.from([0x80, 3]), Buffer.from("two"),
      Buffer.from([0x81, 126, 0x01, 0x00]), Buffer.alloc(256, "x"),
      Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]), Buffer.alloc(70000, "y"),
    ]);
    peer.write(Buffer.concat([Buffer.from(head), bytes.subarray(0, 9)]));
    let at = 9;
    const more = () => {
      if (at >= bytes.length) return;
      const step = at < 300 ? 1 : 20_000;
      peer.write(bytes.subarray(at, (at += step)), () => setImmediate(more));
    };
    more();
  });
  assert.equal((await events.take()).type, "open");
  const texts = [];
  while (texts.length < 4) texts.push((await events.take()).data);
  assert.deepEqual(texts.map((x) => x.length), [2, 6, 256, 70000]);
  assert.equal(texts[1], "onetwo");
  socket.close();
});

test("a wrong handshake, a plain answer, a cut: one close each, with 1006", async (t) => {
  const talks = [
    (peer, head) => peer.write(head.replace(/accept: ..../, "accept: AAAA")),
    (peer) => peer.end("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
    (peer) => peer.destroy(),
  ];
  for (const talk of talks) {
    const { events } = await raw(t, talk);
    assert.equal((await events.take()).type, "error");
    const close = await events.take();
    assert.deepEqual([close.type, close.code], ["close", 1006]);
    assert.equal(events.size, 0);
  }
});

test("the server's close code and reason arrive", async (t) => {
  const { events } = await raw(t, (peer, head) => {
    peer.write(head);
    peer.write(Buffer.concat([Buffer.from([0x88, 5, 0x03, 0xf4]), Buffer.from("bye")]));
  });
  await events.take();
  const close = await events.take();
  assert.deepEqual([close.code, close.reason], [1012, "bye"]);
});

test("a message larger than the bound is not gathered", async (t) => {
  const { events } = await raw(t, (peer, head) => peer.write(Buffer.concat([Buffer.from(head), Buffer.from([0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0])])));
  await events.take();
  assert.equal((await events.take()).code, 1009);
});
