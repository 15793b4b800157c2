// Whatever a server does within the protocol, and some of what it must not: cuts, moves, repeated and missing frames, conflated
// runs, sessions that are kept or not. The application sees each offset once. A failing seed is replayed by SEED=n.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../src/index.js";
import { fakeEdge, subscribed, update } from "./support/fake_edge.js";
import { until } from "./support/inbox.js";

const kLast = 150;
const filtered = (offset) => offset % 7 === 0;

function random(seed) {
  let state = seed * 2654435761 + 1;
  const next = () => (state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0);
  return { below: (n) => next() % n, chance: (percent) => next() % 100 < percent };
}

/** Frames that stand for from..to: updates and skips, or one conflated run. */
function frames(r, world, sub, from, to) {
  const out = [];
  if (r.chance(25) && to - from > 2) {
    for (let o = from; o <= to; o += 1) {
      const pair = o + 2 <= to && !filtered(o) && !filtered(o + 1) && !filtered(o + 2);
      if (filtered(o)) out.push({ type: "skip", sub, from: o, to: o });
      else if (pair) {
        out.push(update(sub, o + 1, "b", { replaces: [] }), update(sub, o + 2, "a", { replaces: [o] }));
        world.replacedBy.set(o, o + 2);
        o += 2;
      } else out.push(update(sub, o, `k${o}`, { replaces: [] }));
    }
    return out;
  }
  for (let o = from; o <= to; o += 1) out.push(filtered(o) ? { type: "skip", sub, from: o, to: o } : update(sub, o));
  return out;
}

/** One socket's life on the server. */
async function serve(r, world, peer) {
  const connect = await peer.expect("connect");
  const kept = connect.ticket !== undefined && r.chance(70);
  peer.send({ type: "welcome", session: kept ? "s1" : `s${r.below(1000) + 2}`, ticket: "t", edge: "fake", resumed: kept });
  let since = connect.since?.a;
  let sub = 1;
  const start = () => {
    const offset = Math.max(0, (since?.offset ?? 0) - (since && kept ? r.below(4) : 0));
    peer.send(subscribed("a", sub, offset, since ? "resumed" : "live"));
    return offset;
  };
  let at = kept ? start() : undefined;
  for (;;) {
    while (peer.frames.size > 0 || at === undefined) {
      const frame = await peer.frames.take("a frame", 60_000);
      if (frame.type === "bye") return peer.close(1000);
      if (frame.type === "subscribe") [since, sub] = [frame.since, sub + 1], (at = start());
    }
    const to = Math.min(kLast, at + 1 + r.below(12));
    const batch = at < to ? frames(r, world, sub, at + 1, to) : [{ type: "head", sub, offset: kLast }];
    if (r.chance(8)) batch.splice(r.below(batch.length), 1); // lost on the way
    if (r.chance(10) && batch.length > 0) batch.push(batch[batch.length - 1]); // said twice
    peer.send(...batch);
    at = to;
    if (r.chance(15)) peer.send({ type: "status", status: "migrating", details: { new_endpoint: world.pick(r), reconnect_after: r.below(5), resume_token: "t", deadline: 20_000 } });
    if (r.chance(8)) return peer.cut();
    if (r.chance(5)) {
      peer.send({ type: "closing", code: 1012, reason: "restart", retry_after_ms: 0 });
      return peer.close(1012);
    }
    await new Promise((resolve) => setTimeout(resolve, r.below(4)));
    if (peer.socket.destroyed) return undefined;
  }
}

async function play(t, seed) {
  const r = random(seed);
  const edges = [await fakeEdge(t), await fakeEdge(t)];
  const world = { pick: (by) => edges[by.below(2)].url, replacedBy: new Map() };
  let over = false;
  for (const edge of edges) {
    (async () => {
      while (!over) serve(r, world, await edge.peer(60_000)).catch(() => {});
    })().catch(() => {});
  }
  const client = connect(edges.map((e) => e.url), { stableMs: 0, maxDelayMs: 50 });
  const sub = client.subscribe({ id: "a", since: { epoch: "00000000000000e1", offset: 0 } });
  const seen = new Map();
  sub.on("lost", (l) => assert.fail(JSON.stringify(l)));
  sub.on("update", (u) => seen.set(u.offset, (seen.get(u.offset) ?? 0) + 1));
  try {
    await until(() => sub.position.offset >= kLast, `seed ${seed} to end (at ${sub.position.offset})`, 60_000);
    for (let o = 1; o <= kLast; o += 1) {
      if (filtered(o)) assert.equal(seen.has(o), false, `seed ${seed}: ${o}`);
      else assert.ok(seen.get(o) === 1 || (!seen.has(o) && seen.has(world.replacedBy.get(o))), `seed ${seed}: ${o} seen ${seen.get(o) ?? 0} times`);
    }
  } finally {
    over = true;
    client.close();
  }
}

const seeds = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: 12 }, (_, n) => n + 1);
for (const seed of seeds) test(`a server at its worst, seed ${seed}`, { timeout: 90_000 }, (t) => play(t, seed));
