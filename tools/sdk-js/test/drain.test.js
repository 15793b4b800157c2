// The real cluster moves its clients: a drain, and a rolling restart of all edges, while updates flow.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { connect } from "../src/index.js";
import { noCluster, program, publish, startCluster } from "./support/cluster.js";
import { until } from "./support/inbox.js";

const kDrain = "admin:\n  loopback: true\ndrain:\n  lb_settle_ms: 200\n  offer_ms: 3000\n";

describe("a cluster that moves its clients", { skip: noCluster }, () => {
  let cluster;
  const cleanups = [];
  before(async () => (cluster = await startCluster({ after: (action) => cleanups.push(action) }, { edges: 3, config: kDrain })), { timeout: 90_000 });
  after(async () => {
    for (const action of cleanups) await action();
  });

  /** Clients on all edges that write down what they see, and a publisher, until `done`. */
  async function underLoad(t, channel, transports, done) {
    const clients = transports.map((transport, n) => {
      const urls = cluster.urls();
      const client = connect([...urls.slice(n % 3), ...urls.slice(0, n % 3)], { transport });
      t.after(() => client.close());
      const seen = { client, transport, events: [], states: [], sub: client.subscribe({ channel }) };
      seen.sub.on("update", (u) => seen.events.push(u.event_id));
      for (const name of ["lost", "gap", "resync"]) seen.sub.on(name, (e) => seen.events.push(`${name} ${JSON.stringify(e)}`));
      client.on("state", (s) => seen.states.push(s));
      return seen;
    });
    await Promise.all(clients.map(({ sub }) => sub.ready));
    let stop = false;
    let count = 0;
    const flow = (async () => {
      let position;
      while (!stop) {
        count += 1;
        position = await publish(cluster.urls, { channel, event_id: `${channel}-${count}`, kind: "updated", key: `inc-${count % 7}`, incident: { title: `number ${count}` } });
      }
      return position;
    })();
    let position;
    try {
      await done(clients);
    } finally {
      stop = true;
      position = await flow;
    }
    await Promise.all(clients.map(({ sub }) => until(() => sub.position?.offset >= position.offset, `offset ${position.offset}`)));
    const all = Array.from({ length: count }, (_, i) => `${channel}-${i + 1}`);
    for (const { events, transport } of clients) assert.deepEqual(events, all, transport);
    return clients;
  }

  test("a drain: the WebSocket is never without a stream, SSE comes back where it was", { timeout: 90_000 }, async (t) => {
    const [edge] = cluster.urls();
    const clients = await underLoad(t, "sdk/drain", ["websocket", "websocket", "websocket", "sse"], async (all) => {
      const reply = await fetch(`${edge}/admin/drain`, { method: "POST", body: JSON.stringify({ deadline_ms: 15_000 }) });
      assert.equal(reply.status, 202);
      const report = await until(async () => {
        const now = await (await fetch(`${edge}/admin/report`)).json();
        return now.state === "done" && now;
      }, "the drain to be done", 30_000);
      assert.equal(report.lost, 0);
      await until(() => all.every(({ client }) => client.connection.edge && client.connection.url !== edge), "everyone to be elsewhere");
    });
    for (const { transport, states } of clients.filter((c) => c.transport === "websocket"))
      assert.ok(!states.slice(1).some((s) => s.state === "waiting" || s.state === "closed"), `${transport}: ${JSON.stringify(states)}`);
    assert.ok(clients[0].states.some((s) => s.state === "open" && s.moved && s.resumed), "make before break, with its session");
    await (await fetch(`${edge}/admin/uncordon`, { method: "POST" })).arrayBuffer();
    await cluster.ready();
  });

  test("a rolling restart of all edges: nothing lost, nothing twice, nobody waits", { timeout: 180_000 }, async (t) => {
    const clients = await underLoad(t, "sdk/rolling", ["websocket", "websocket", "websocket"], async () => {
      await promisify(execFile)(program("tocsinctl"), ["--cluster", cluster.file, "restart", "--rolling", "--wait", "--json"], { timeout: 120_000 });
    });
    for (const { states } of clients) {
      assert.ok(!states.slice(states.findIndex((s) => s.state === "open")).some((s) => s.state === "waiting"), JSON.stringify(states));
      const moves = states.filter((s) => s.state === "open" && s.moved).length;
      assert.ok(moves >= 1 && moves <= 2, `${moves} moves`);
    }
  });
});
