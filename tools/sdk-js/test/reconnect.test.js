// Cuts, closes and comings back (PROTOCOL.md 4.9, 4.10, 5).
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/index.js";
import { fakeEdge, snapshot, subscribed, update } from "./support/fake_edge.js";
import { event, inbox } from "./support/inbox.js";

async function live(t, { options, endpoints, sub: subOptions } = {}) {
  const edge = await fakeEdge(t);
  const client = connect([edge.url, ...(endpoints ?? [])], options);
  t.after(() => client.close());
  const sub = client.subscribe({ id: "a", snapshot: false, ...subOptions });
  const seen = inbox();
  sub.on("update", (u) => seen.put(u.offset));
  const peer = await edge.peer();
  const hello = await peer.greet();
  await peer.expect("subscribe");
  return { edge, client, sub, peer, seen, hello };
}

test("a cut socket comes back with ticket and position, and nothing is lost or seen twice", async (t) => {
  const { edge, peer, seen } = await live(t);
  peer.send(subscribed("a", 7, 5), update(7, 6));
  assert.equal(await seen.take(), 6);
  peer.cut();
  const second = await edge.peer();
  const hello = await second.greet({ resumed: true });
  assert.deepEqual(hello, { type: "connect", ticket: "t1", since: { a: { epoch: "00000000000000e1", offset: 6 } } });
  second.send(subscribed("a", 3, 5, "resumed"), update(3, 6), update(3, 7));
  assert.equal(await seen.take(), 7);
});

test("a snapshot that was cut does not count", async (t) => {
  const { edge, client, sub, peer } = await live(t, { sub: { snapshot: true } });
  const taken = event(client, "warning");
  peer.send(subscribed("a", 7, 5), snapshot(7, ["x"], false), { type: "error", code: "internal", message: "so far" });
  await taken;
  peer.cut();
  const second = await edge.peer();
  assert.deepEqual((await second.greet({ resumed: true })).since, {});
  second.send(subscribed("a", 3, 6, "snapshot"), snapshot(3, ["x", "y"]));
  await sub.ready;
  assert.equal(sub.store.size, 2);
});

test("a session that was not kept is subscribed again, from the position", async (t) => {
  const { edge, peer, seen } = await live(t);
  peer.send(subscribed("a", 7, 5), update(7, 6));
  await seen.take();
  peer.cut();
  const second = await edge.peer();
  await second.greet({ resumed: false, session: "s2" });
  assert.deepEqual((await second.expect("subscribe")).since, { epoch: "00000000000000e1", offset: 6 });
});

test("what the server does not bring back by itself is asked for", async (t) => {
  const { edge, peer, seen } = await live(t);
  peer.send(subscribed("a", 7, 5), update(7, 6));
  await seen.take();
  peer.cut();
  const second = await edge.peer();
  await second.greet({ resumed: true });
  assert.equal((await second.expect("unsubscribe")).id, "a");
  assert.equal((await second.expect("subscribe")).since.offset, 6);
});

test("what the server brings back and nobody wants is put down", async (t) => {
  const { edge, sub, peer, seen } = await live(t);
  peer.send(subscribed("a", 7, 5), update(7, 6));
  await seen.take();
  peer.cut();
  sub.close();
  const second = await edge.peer();
  await second.greet({ resumed: true }, subscribed("a", 1, 6, "resumed"));
  assert.equal((await second.expect("unsubscribe")).id, "a");
});

test("a socket that is cut waits what `welcome` dictated for that", async (t) => {
  const edge = await fakeEdge(t);
  const client = connect(edge.url);
  t.after(() => client.close());
  client.subscribe({ id: "a", snapshot: false });
  const peer = await edge.peer();
  await peer.greet({ retry_after_ms: 123 });
  await peer.expect("subscribe");
  const waits = new Promise((done) => client.on("state", (s) => s.delay !== undefined && done(s.delay)));
  peer.cut();
  assert.equal(await waits, 123);
  await (await edge.peer()).expect("connect");
});

test("the delay of `closing` is waited, and its ticket used", async (t) => {
  const { edge, client, peer } = await live(t);
  peer.send(subscribed("a", 7, 5), { type: "closing", code: 1012, reason: "drain", retry_after_ms: 700, ticket: "t9" });
  const waiting = event(client, "state", (s) => s.state === "waiting");
  const began = Date.now();
  peer.close(1012);
  assert.equal((await waiting).delay, 700);
  const second = await edge.peer();
  assert.ok(Date.now() - began >= 690);
  assert.equal((await second.greet()).ticket, "t9");
});

test("an upgrade that is refused with retry-after is waited for, where that can be seen", async (t) => {
  const edge = await fakeEdge(t, { refuse: true });
  const client = connect(edge.url, { transport: "websocket" });
  t.after(() => client.close());
  const { delay, reason } = await event(client, "state", (s) => s.state === "waiting");
  assert.deepEqual([delay, reason], [1000, "HTTP 503"]);
  edge.handlers.refuse = false;
  await (await edge.peer()).greet();
});

test("4401 asks for another token; without one it is the end", async (t) => {
  const tokens = ["old", "new"];
  const { edge, peer, hello } = await live(t, { options: { token: () => tokens.shift() } });
  assert.equal(hello.token, "old");
  peer.send({ type: "closing", code: 4401, reason: "expired", retry_after_ms: -1 });
  peer.close(4401);
  assert.equal((await (await edge.peer()).greet()).token, "new");

  const fixed = await live(t, { options: { token: "only" } });
  const ended = fixed.client.once("error");
  fixed.peer.close(4401);
  assert.equal((await ended).code, "unauthorized");
  assert.equal(fixed.client.state, "closed");
});

test("refresh is sent in band, and used for the next connection", async (t) => {
  const { edge, client, peer } = await live(t, { options: { token: "one" } });
  client.refresh("two");
  assert.deepEqual(await peer.expect("refresh"), { type: "refresh", token: "two" });
  peer.cut();
  assert.equal((await (await edge.peer()).greet()).token, "two");
});

for (const code of [1008, 1009, 4400, 4403, 4409]) {
  test(`close code ${code} ends the client with its reason`, async (t) => {
    const { client, sub, peer } = await live(t);
    const ended = client.once("error");
    peer.close(code);
    assert.equal((await ended).status, code);
    assert.equal(sub.state, "closed");
  });
}

test("the next endpoint is taken when one is gone", async (t) => {
  const other = await fakeEdge(t);
  const { peer, seen } = await live(t, { endpoints: [other.url] });
  peer.send(subscribed("a", 7, 5), update(7, 6));
  await seen.take();
  peer.cut();
  assert.equal((await (await other.peer()).greet()).since.a.offset, 6);
});

test("an unanswered publish is said again under the same event_id", async (t) => {
  const { edge, client, peer } = await live(t);
  const done = client.publish({ kind: "created", key: "k" });
  const first = await peer.expect("publish");
  peer.cut();
  const second = await edge.peer();
  await second.greet();
  await second.expect("subscribe");
  const again = await second.expect("publish");
  assert.equal(again.update.event_id, first.update.event_id);
  second.send({ type: "published", ref: again.ref, channel: "incidents", position: { epoch: "00000000000000e1", offset: 1 }, duplicate: true });
  assert.equal((await done).duplicate, true);
});

test("publishes without an answer are bounded", async (t) => {
  const { client } = await live(t, { options: { maxPublishes: 1 } });
  const first = client.publish({ kind: "created", key: "k" });
  await assert.rejects(client.publish({ kind: "created", key: "l" }), { code: "too_many" });
  client.close();
  await assert.rejects(first, { code: "closed" });
});

test("close says bye and ends everything", async (t) => {
  const { client, sub, peer } = await live(t);
  client.close();
  await peer.expect("bye");
  assert.equal(sub.state, "closed");
  assert.throws(() => client.subscribe(), { code: "closed" });
});

test("pings of the server are answered", async (t) => {
  const { peer } = await live(t);
  peer.ping();
  await peer.expect("pong-frame");
});
