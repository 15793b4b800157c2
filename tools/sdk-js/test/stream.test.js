// One stream over one socket: snapshot and live merged, each offset once, gaps noticed and repaired (PROTOCOL.md 4).
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/index.js";
import { fakeEdge, snapshot, subscribed, update } from "./support/fake_edge.js";
import { event, inbox } from "./support/inbox.js";

async function open(t, options, more) {
  const edge = await fakeEdge(t);
  const client = connect(edge.url, more);
  t.after(() => client.close());
  const sub = client.subscribe({ id: "a", ...options });
  const seen = inbox();
  sub.on("update", (u) => seen.put(u.offset));
  const peer = await edge.peer();
  await peer.greet();
  return { edge, client, sub, peer, seen, asked: await peer.expect("subscribe") };
}

test("snapshot and live end in one store", async (t) => {
  const { sub, peer, seen, asked } = await open(t, { filter: { severity: ["P0"] } });
  assert.deepEqual(asked, { type: "subscribe", id: "a", channel: "incidents", snapshot: true, filter: { severity: ["P0"] } });
  peer.send(subscribed("a", 7, 5), snapshot(7, ["x", "y"], false));
  peer.send(snapshot(7, ["z"]), update(7, 6, "x"), { type: "skip", sub: 7, from: 7, to: 9 }, update(7, 10, "w"));
  await sub.ready;
  assert.equal(await seen.take(), 6);
  assert.equal(await seen.take(), 10);
  assert.deepEqual(sub.store.list().map((i) => i.id), ["y", "z", "x", "w"]);
  assert.equal(sub.store.get("x").version, 6);
  assert.deepEqual(sub.position, { epoch: "00000000000000e1", offset: 10 });
});

test("active:true drops an incident from the store with the update that ends it", async (t) => {
  const { sub, peer, seen } = await open(t, { filter: { active: true } });
  const removed = event(sub, "change", (c) => c.type === "remove");
  peer.send(subscribed("a", 7, 5), snapshot(7, ["x"]), update(7, 6, "x", { kind: "resolved", incident: { id: "x", status: "resolved" } }));
  assert.equal((await removed).id, "x");
  assert.equal(await seen.take(), 6);
  assert.equal(sub.store.size, 0);
});

test("a repeated offset is dropped", async (t) => {
  const { peer, seen } = await open(t, { snapshot: false });
  peer.send(subscribed("a", 7, 5), update(7, 6), update(7, 6), update(7, 7));
  assert.deepEqual([await seen.take(), await seen.take()], [6, 7]);
});

test("a hole is asked for again from before it", async (t) => {
  const { sub, peer, seen } = await open(t, { snapshot: false });
  const gap = event(sub, "gap");
  peer.send(subscribed("a", 7, 5), update(7, 6), update(7, 9));
  assert.deepEqual(await gap, { after: { epoch: "00000000000000e1", offset: 6 }, before: 9 });
  assert.equal((await peer.expect("unsubscribe")).id, "a");
  assert.deepEqual((await peer.expect("subscribe")).since, { epoch: "00000000000000e1", offset: 6 });
  peer.send(update(7, 10), subscribed("a", 8, 6, "resumed"), update(8, 7), update(8, 8), update(8, 9), update(8, 10));
  const got = [];
  while (got.length < 5) got.push(await seen.take());
  assert.deepEqual(got, [6, 9, 7, 8, 10]);
  assert.equal(sub.position.offset, 10);
});

test("heads that keep telling of what never came are a gap", async (t) => {
  const { sub, peer } = await open(t, { snapshot: false });
  peer.send(subscribed("a", 7, 5), { type: "head", sub: 7, offset: 8 }, { type: "head", sub: 7, offset: 8 });
  const gap = event(sub, "gap");
  peer.send({ type: "head", sub: 7, offset: 9 });
  assert.equal((await gap).before, 8);
});

test("a conflated run is no gap, and its replaced offsets count as seen", async (t) => {
  const { sub, peer, seen } = await open(t, { snapshot: false });
  sub.on("gap", (g) => assert.fail(JSON.stringify(g)));
  peer.send(subscribed("a", 7, 0), update(7, 2, "b", { replaces: [] }), { type: "head", sub: 7, offset: 4 });
  assert.equal(await seen.take(), 2);
  assert.equal(sub.position.offset, 0);
  peer.send({ type: "skip", sub: 7, from: 3, to: 3 }, update(7, 4, "a", { replaces: [1] }), update(7, 5));
  assert.deepEqual([await seen.take(), await seen.take()], [4, 5]);
  assert.equal(sub.position.offset, 5);
});

test("a new epoch is told, and the store starts over", async (t) => {
  const { sub, peer, seen } = await open(t, {});
  peer.send(subscribed("a", 7, 5), snapshot(7, ["x"]), update(7, 6));
  await seen.take();
  const resync = event(sub, "resync");
  const other = { epoch: "00000000000000e2", offset: 2 };
  peer.send({ ...subscribed("a", 9, 0, "snapshot", { reason: "epoch_changed" }), position: other });
  assert.equal((await resync).reason, "epoch_changed");
  assert.equal(sub.position.offset, 6, "nothing of the new history is there yet");
  peer.send(snapshot(9, ["n"]), update(9, 3));
  assert.equal(await seen.take(), 3);
  assert.deepEqual(sub.store.list().map((i) => i.id), ["n", "k3"]);
});

test("lost is said, and a store is made whole again by a snapshot", async (t) => {
  const { sub, peer } = await open(t, { since: { epoch: "00000000000000e1", offset: 3 }, snapshot: true });
  const lost = event(sub, "lost");
  peer.send(subscribed("a", 7, 50, "lost", { reason: "too_old" }));
  assert.deepEqual(await lost, { reason: "too_old", from: { epoch: "00000000000000e1", offset: 3 }, to: { epoch: "00000000000000e1", offset: 50 } });
  await peer.expect("unsubscribe");
  const again = await peer.expect("subscribe");
  assert.equal(again.since, undefined);
  assert.equal(again.snapshot, true);
  peer.send(subscribed("a", 8, 51), snapshot(8, ["x"]));
  await sub.ready;
  assert.equal(sub.position.offset, 51);
});

test("a subscription that is refused for good ends with the reason; the others go on", async (t) => {
  const { client, sub, peer } = await open(t, {});
  const closed = sub.once("close");
  peer.send({ type: "error", id: "a", code: "forbidden", status: 403, message: "no", retry: "never" });
  assert.equal((await closed).code, "forbidden");
  await assert.rejects(sub.ready, /no/);
  assert.equal(client.state, "open");
});

test("for await gives updates, and stops with the subscription", async (t) => {
  const { sub, peer } = await open(t, { snapshot: false });
  const got = [];
  const done = (async () => {
    for await (const u of sub) {
      got.push(u.offset);
      if (got.length === 2) sub.close();
    }
  })();
  peer.send(subscribed("a", 7, 0), update(7, 1), update(7, 2));
  await done;
  assert.deepEqual(got, [1, 2]);
  assert.equal((await peer.expect("unsubscribe")).id, "a");
});

test("a handler that throws does not disturb the stream", async (t) => {
  const { sub, peer, seen } = await open(t, { snapshot: false });
  const thrown = new Promise((resolve) => (globalThis.reportError = resolve)); // what a browser has, and Node has not
  t.after(() => delete globalThis.reportError);
  sub.on("update", () => {
    if (sub.position.offset === 1) throw new Error("mine");
  });
  peer.send(subscribed("a", 7, 0), update(7, 1), update(7, 2));
  assert.deepEqual([await seen.take(), await seen.take()], [1, 2]);
  assert.equal((await thrown).message, "mine");
});

test("a publish is answered by its ref; an error rejects it", async (t) => {
  const { client, peer } = await open(t, {});
  const good = client.publish({ kind: "created", key: "x", incident: { title: "t" } });
  const { ref, update: sent } = await peer.expect("publish");
  assert.ok(sent.event_id);
  peer.send({ type: "published", ref, channel: "incidents", position: { epoch: "00000000000000e1", offset: 1 }, duplicate: false });
  assert.equal((await good).position.offset, 1);
  const bad = client.publish({ kind: "created", key: "y", if_version: 9 });
  peer.send({ type: "error", ref: (await peer.expect("publish")).ref, code: "conflict", status: 409, message: "m", retry: "never" });
  await assert.rejects(bad, { code: "conflict", status: 409 });
});
