// Make before break (PROTOCOL.md 5.7): the second socket carries everything before the first is left.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/index.js";
import { fakeEdge, snapshot, subscribed, update } from "./support/fake_edge.js";
import { event, inbox } from "./support/inbox.js";

const migrating = (url, more = {}) => ({
  type: "status", status: "migrating", details: { new_endpoint: url, reconnect_after: 30, resume_token: "rt", deadline: 30000, ...more },
});

async function pair(t, subOptions = { snapshot: false }) {
  const [from, to] = [await fakeEdge(t), await fakeEdge(t)];
  const client = connect(from.url);
  t.after(() => client.close());
  const states = [];
  client.on("state", (s) => states.push(s.state));
  const sub = client.subscribe({ id: "a", ...subOptions });
  const seen = inbox();
  sub.on("update", (u) => seen.put(u.offset));
  const old = await from.peer();
  await old.greet();
  await old.expect("subscribe");
  return { from, to, client, sub, seen, old, states };
}

test("updates of both sockets come once, in order, and the old one hears bye last", async (t) => {
  const { to, client, sub, seen, old, states } = await pair(t);
  old.send(subscribed("a", 7, 5), update(7, 6), migrating(to.url));
  assert.equal(await seen.take(), 6);
  const next = await to.peer();
  old.send(update(7, 7)); // the first goes on
  assert.equal(await seen.take(), 7);
  const hello = await next.greet({ resumed: true, ticket: "t2", edge: "two" });
  assert.equal(hello.ticket, "rt");
  assert.equal(hello.since.a.offset, 6);
  old.send(update(7, 8));
  assert.equal(await seen.take(), 8);
  assert.equal(old.frames.size, 0, "no bye before the new socket carries the stream");
  next.send(subscribed("a", 2, 6, "resumed"), update(2, 7), update(2, 8), update(2, 9));
  assert.equal(await seen.take(), 9);
  assert.equal((await old.expect("bye")).duplicates, 2, "7 and 8 came on both");
  old.send(update(7, 9));
  old.close(1000);
  next.send(update(2, 10));
  assert.equal(await seen.take(), 10);
  assert.equal(sub.state, "live");
  assert.deepEqual(states, ["connecting", "open", "moving", "open"]);
  assert.equal(client.connection.edge, "two");
});

test("an old socket that is fenced before the new one speaks cuts nobody", async (t) => {
  const { to, client, seen, old } = await pair(t);
  old.send(subscribed("a", 7, 5), migrating(to.url));
  const next = await to.peer();
  const gone = event(client, "disconnect");
  old.send({ type: "closing", code: 4409, reason: "replaced", retry_after_ms: -1 });
  old.close(4409);
  assert.equal((await gone).code, 4409);
  await next.greet({ resumed: true });
  next.send(subscribed("a", 2, 5, "resumed"), update(2, 6));
  assert.equal(await seen.take(), 6);
});

test("a target that dies is tried again, and the old socket serves meanwhile", async (t) => {
  const { to, seen, old } = await pair(t);
  old.send(subscribed("a", 7, 5), migrating(to.url));
  (await to.peer()).cut();
  old.send(update(7, 6));
  assert.equal(await seen.take(), 6);
  const again = await to.peer();
  assert.equal((await again.greet({ resumed: true })).ticket, "rt");
  again.send(subscribed("a", 2, 6, "resumed"), update(2, 7));
  assert.equal(await seen.take(), 7);
  await old.expect("bye");
});

test("a target that never answers: at the old socket's end the client goes back to its own list", async (t) => {
  const { from, to, client, seen, old } = await pair(t);
  to.handlers.refuse = true;
  const failed = event(client, "warning");
  old.send(subscribed("a", 7, 5), migrating(to.url, { deadline: 200 }), update(7, 6));
  assert.equal(await seen.take(), 6);
  await failed;
  old.send({ type: "closing", code: 1012, reason: "drain", retry_after_ms: 10, ticket: "t3" });
  old.close(1012);
  const back = await from.peer();
  assert.equal((await back.greet()).ticket, "t3");
});

test("a session that the target does not know is subscribed again from the position", async (t) => {
  const { to, seen, old } = await pair(t);
  old.send(subscribed("a", 7, 5), update(7, 6), migrating(to.url));
  await seen.take();
  const next = await to.peer();
  await next.greet({ resumed: false, session: "other" }, { type: "error", code: "unauthorized", status: 401, message: "ticket", retry: "never" });
  assert.equal((await next.expect("subscribe")).since.offset, 6);
  assert.equal(old.frames.size, 0);
  next.send(subscribed("a", 1, 6, "resumed"));
  await old.expect("bye");
});

test("a target that starts the stream over with a snapshot: the old stream goes on until it is whole", async (t) => {
  const { to, sub, seen, old } = await pair(t, {});
  old.send(subscribed("a", 7, 5), snapshot(7, ["x"]), migrating(to.url));
  await sub.ready;
  const next = await to.peer();
  await next.greet({ resumed: true });
  next.send({ ...subscribed("a", 2, 1, "snapshot", { reason: "epoch_changed" }), position: { epoch: "00000000000000e2", offset: 1 } });
  await event(sub, "resync");
  next.send(snapshot(2, ["y"]), update(2, 2, "z"));
  assert.equal(await seen.take(), 2);
  assert.deepEqual(sub.store.list().map((i) => i.id), ["y", "z"]);
});

test("an endpoint that is none is refused, and the stream goes on", async (t) => {
  const { to, client, seen, old } = await pair(t);
  const warned = event(client, "warning");
  old.send(subscribed("a", 7, 5), migrating("ftp://x"), update(7, 6));
  assert.equal((await warned).code, "invalid_argument");
  assert.equal(await seen.take(), 6);
  assert.equal(to.waiting(), 0);
});

test("nobody is moved from TLS to plain text; a WebSocket class can be given", async (t) => {
  const dialled = [];
  class Injected {
    readyState = 1;
    constructor(url) {
      dialled.push(url);
      queueMicrotask(() => this.onopen());
    }
    send() {
      this.onmessage({ data: JSON.stringify({ type: "welcome", session: "s", edge: "e" }) });
      this.onmessage({ data: JSON.stringify(migrating("ws://plain:1")) });
    }
    close() {}
  }
  const client = connect("wss://edge.example", { WebSocket: Injected });
  t.after(() => client.close());
  assert.equal((await event(client, "warning")).code, "forbidden");
  assert.deepEqual(dialled, ["wss://edge.example/v1/stream"]);
});
