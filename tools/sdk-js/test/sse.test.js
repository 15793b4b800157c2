// The fallback: Server-Sent Events when WebSockets do not get through (PROTOCOL.md 6.5).
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/index.js";
import { fakeEdge, snapshot, subscribed, update } from "./support/fake_edge.js";
import { event, inbox } from "./support/inbox.js";

/** An edge whose event streams the test writes: each request comes out of `streams`. */
async function eventsEdge(t) {
  const streams = inbox();
  const published = inbox();
  const edge = await fakeEdge(t, {
    refuse: true,
    http(request, response) {
      if (request.url === "/health") return response.end('{"edge":"edge-7"}');
      if (request.method === "POST") {
        request.on("data", (body) => published.put({ body: JSON.parse(body), response, headers: request.headers }));
        return undefined;
      }
      const url = new URL(request.url, "http://x");
      streams.put({
        url, headers: request.headers, response,
        start: () => response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 1000\n\n"),
        send: (frame, id) => response.write(`${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(frame)}\n\n`),
      });
      return undefined;
    },
  });
  return { edge, published, next: () => streams.take("an event stream") };
}

function follow(t, url, options, subOptions) {
  const client = connect(url, { token: "secret", ...options });
  t.after(() => client.close());
  const sub = client.subscribe({ id: "a", ...subOptions });
  const seen = inbox();
  sub.on("update", (u) => seen.put(u.offset));
  return { client, sub, seen };
}

test("after WebSockets that never open the stream goes on over SSE, and keeps its position over cuts", async (t) => {
  const { edge, next } = await eventsEdge(t);
  const { client, sub, seen } = follow(t, edge.url, { sseAfter: 1 }, { filter: { severity: ["P0", "P1"] }, conflate: true });
  const first = await next();
  assert.equal(first.url.pathname, "/v1/events");
  assert.deepEqual(Object.fromEntries(first.url.searchParams), { channel: "incidents", severity: "P0,P1", snapshot: "true", conflate: "true" });
  assert.equal(first.headers.authorization, "Bearer secret");
  first.start();
  first.send(subscribed("events", 1, 5));
  first.send(snapshot(1, ["x"]), "00000000000000e1:5");
  first.send(update(1, 6), "00000000000000e1:6");
  assert.equal(await seen.take(), 6);
  assert.equal(sub.store.size, 2);
  assert.deepEqual([client.connection.transport, client.connection.edge], ["sse", "edge-7"]);
  first.response.destroy();
  const second = await next();
  assert.equal(second.headers["last-event-id"], "00000000000000e1:6");
  second.start();
  second.send(subscribed("events", 4, 6, "resumed"));
  second.response.write(": comment\n\n");
  second.send(update(4, 6));
  second.send(update(4, 7));
  assert.equal(await seen.take(), 7);
});

test("when WebSockets get through again the stream moves there, make before break", async (t) => {
  const { edge, next } = await eventsEdge(t);
  const { client, seen } = follow(t, edge.url, { sseAfter: 1, wsProbeMs: 50 }, { snapshot: false });
  const stream = await next();
  stream.start();
  stream.send(subscribed("events", 1, 5));
  edge.handlers.refuse = false;
  const peer = await edge.peer();
  stream.send(update(1, 6));
  assert.equal(await seen.take(), 6);
  await peer.greet();
  assert.equal((await peer.expect("subscribe")).since.offset, 6);
  const gone = new Promise((resolve) => stream.response.on("close", resolve));
  peer.send(subscribed("a", 1, 6, "resumed"), update(1, 7));
  assert.equal(await seen.take(), 7);
  await gone;
  assert.equal(client.connection.transport, "websocket");
});

test("a publish goes over HTTP", async (t) => {
  const { edge, published } = await eventsEdge(t);
  const client = connect(edge.url, { transport: "sse", token: "secret" });
  t.after(() => client.close());
  const answer = client.publish({ kind: "created", key: "k" });
  const { body, response, headers } = await published.take();
  assert.equal(headers.authorization, "Bearer secret");
  response.end(JSON.stringify({ results: [{ position: { epoch: "00000000000000e1", offset: 3 }, duplicate: false, event_id: body.event_id }] }));
  assert.equal((await answer).position.offset, 3);
});

test("closing and a refused request are advice as a close code is", async (t) => {
  const { edge, next } = await eventsEdge(t);
  const { client } = follow(t, edge.url, { transport: "sse" });
  const first = await next();
  first.start();
  const waiting = event(client, "state", (s) => s.state === "waiting");
  first.send({ type: "closing", code: 1012, reason: "drain", retry_after_ms: 25 });
  assert.equal((await waiting).delay, 25);
  const second = await next();
  const ended = client.once("error");
  second.response.writeHead(403).end();
  assert.equal((await ended).status, 4403);
});

test("a filter that a query cannot say ends the subscription, not the client", async (t) => {
  const { edge } = await eventsEdge(t);
  const { client, sub } = follow(t, edge.url, { transport: "sse" }, { filter: { team: ["a,b"] } });
  assert.equal((await sub.once("close")).code, "invalid_argument");
  assert.equal(client.state, "open");
});
