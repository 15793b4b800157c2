// Against the real programs: what is published is seen once and in order, while edges and the broker are killed.
import assert from "node:assert/strict";
import { before, after, describe, test } from "node:test";
import { connect } from "../src/index.js";
import { noCluster, publish, startCluster } from "./support/cluster.js";
import { event, until } from "./support/inbox.js";

const incident = (channel, n, more = {}) => ({
  channel, event_id: `${channel}-${n}`, kind: "updated", key: `inc-${n % 7}`, actor: "test",
  incident: { title: `number ${n}`, severity: n % 2 ? "P1" : "P3", labels: { n: String(n) } }, ...more,
});

/** Publishes first..last, and keeps the offset of the last. */
async function publishMany(cluster, channel, first, last) {
  let position;
  for (let n = first; n <= last; n += 1) position = await publish(cluster.urls, incident(channel, n));
  return position;
}

const reached = (sub, position) => until(() => sub.position?.epoch === position.epoch && sub.position.offset >= position.offset, `offset ${position.offset}`);

function recorded(sub) {
  const events = [];
  sub.on("update", (u) => events.push(u.event_id));
  for (const name of ["lost", "gap"]) sub.on(name, (e) => events.push(`${name} ${JSON.stringify(e)}`));
  return events;
}

describe("with a cluster", { skip: noCluster }, () => {
  let cluster;
  const cleanups = [];
  before(async () => (cluster = await startCluster({ after: (action) => cleanups.push(action) })), { timeout: 90_000 });
  after(async () => {
    for (const action of cleanups) await action();
  });
  const open = (t, urls, options) => {
    const client = connect(urls, options);
    t.after(() => client.close());
    return client;
  };

  for (const transport of ["websocket", "sse"]) {
    test(`snapshot and live over ${transport}: the store is what the server holds`, async (t) => {
      const channel = `sdk/store/${transport}`;
      await publishMany(cluster, channel, 1, 20);
      const client = open(t, cluster.urls(), { transport });
      const sub = client.subscribe({ channel, filter: { severity: ["P1"] } });
      const events = recorded(sub);
      await sub.ready;
      const position = await publishMany(cluster, channel, 21, 30);
      await publish(cluster.urls, incident(channel, 31));
      await reached(sub, { ...position, offset: position.offset + 1 });
      assert.deepEqual(events, [21, 23, 25, 27, 29, 31].map((n) => `${channel}-${n}`));
      const held = await (await fetch(`${cluster.urls()[0]}/v1/incidents?channel=${channel}&severity=P1`)).json();
      for (const one of held.incidents) assert.deepEqual(sub.store.get(one.id), one);
    });
  }

  test("a publish over the socket is seen by another client on the other edge", async (t) => {
    const [a, b] = cluster.urls();
    const channel = "sdk/publish";
    const sub = open(t, b).subscribe({ channel });
    await sub.ready;
    const seen = event(sub, "update");
    const published = await open(t, a).publish({ channel, kind: "created", key: "k", incident: { title: "x" } });
    assert.deepEqual([(await seen).event_id, (await seen).offset], [published.event_id, published.position.offset]);
  });

  test("a position that was kept is gone on from, in another process", async (t) => {
    const channel = "sdk/since";
    const kept = await publishMany(cluster, channel, 1, 3);
    const position = await publishMany(cluster, channel, 4, 6);
    const sub = open(t, cluster.urls()).subscribe({ channel, since: kept });
    const events = recorded(sub);
    await reached(sub, position);
    assert.deepEqual(events, [4, 5, 6].map((n) => `${channel}-${n}`));
  });

  for (const [what, options] of [["conflate", { conflate: true }], ["maxRate", { maxRate: 5 }]]) {
    test(`a reader that is behind, with ${what}: the newest state of each incident, no holes, the same store`, { timeout: 120_000 }, async (t) => {
      const channel = `sdk/slow/${what}`;
      const [url] = cluster.urls();
      const sub = open(t, url).subscribe({ channel, ...options });
      const events = recorded(sub);
      let replaced = 0;
      sub.on("update", (u) => {
        replaced += u.replaces?.length ?? 0;
        if (events.length % 50 === 0) for (const end = Date.now() + 40; Date.now() < end; ); // an application that is busy
      });
      await sub.ready;
      let position;
      for (let batch = 0; batch < 8; batch += 1) {
        const lines = Array.from({ length: 1000 }, (_, n) => {
          const change = incident(channel, batch * 1000 + n, { key: `inc-${n % 40}` });
          change.incident.description = "x".repeat(700);
          return JSON.stringify(change);
        });
        const headers = { "content-type": "application/x-ndjson" };
        const reply = await fetch(`${url}/v1/updates`, { method: "POST", headers, body: lines.join("\n") });
        position = (await reply.json()).results.at(-1).position;
      }
      await reached(sub, position);
      assert.ok(replaced > 0, "it was behind");
      assert.equal(events.length + replaced, 8000);
      assert.ok(events.every((e) => e.startsWith(channel)), "neither gap nor loss");
      const held = await (await fetch(`${url}/v1/incidents?channel=${channel}&limit=1000`)).json();
      assert.equal(held.incidents.length, sub.store.size);
      for (const one of held.incidents) assert.deepEqual(sub.store.get(one.id), one);
    });
  }

  for (const transport of ["websocket", "sse"]) {
    test(`kill -9 of the edge under the client, over ${transport}: nothing lost, nothing twice`, { timeout: 120_000 }, async (t) => {
      const channel = `sdk/kill/${transport}`;
      const client = open(t, cluster.urls(), { transport });
      const sub = client.subscribe({ channel });
      const events = recorded(sub);
      await sub.ready;
      const edges = [];
      client.on("state", (s) => s.state === "open" && edges.push(s));
      let last = 0;
      for (let round = 0; round < 3; round += 1) {
        await reached(sub, await publishMany(cluster, channel, last + 1, last + 10));
        const { edge } = client.connection;
        const reopened = event(client, "state", (s) => s.state === "open", 30_000);
        cluster.kill(edge);
        await reached(sub, await publishMany(cluster, channel, last + 11, last + 20));
        assert.notEqual((await reopened).edge, edge, "the other edge serves");
        last += 20;
        await cluster.ready();
      }
      assert.deepEqual(events, Array.from({ length: last }, (_, i) => `${channel}-${i + 1}`));
      if (transport === "websocket") assert.ok(edges.every((s) => s.resumed), "the ticket brought the session back");
    });
  }

  test("kill -9 of the broker: the socket stays, and the stream goes on", { timeout: 120_000 }, async (t) => {
    const channel = "sdk/broker";
    const client = open(t, cluster.urls());
    const sub = client.subscribe({ channel });
    const events = recorded(sub);
    await sub.ready;
    await reached(sub, await publishMany(cluster, channel, 1, 10));
    cluster.kill("broker");
    await reached(sub, await publishMany(cluster, channel, 11, 20));
    assert.deepEqual(events, Array.from({ length: 20 }, (_, i) => `${channel}-${i + 1}`));
    await cluster.ready();
  });
});
