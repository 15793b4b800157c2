// The board at `/` of an edge, in Chromium, on the real programs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { noBrowser, openBrowser, openPage } from "./support/browser.js";
import { noCluster, publish, startCluster } from "./support/cluster.js";
import { fakeEdge, subscribed, update } from "./support/fake_edge.js";

describe("the board", { skip: noCluster || noBrowser }, () => {
  let cluster;
  let browser;
  const cleanups = [];
  before(async () => {
    const scope = { after: (action) => cleanups.unshift(action) };
    cluster = await startCluster(scope, { config: "admin:\n  loopback: true\ndrain:\n  lb_settle_ms: 200\n" });
    browser = await openBrowser(scope);
  }, { timeout: 120_000 });
  after(async () => {
    for (const action of cleanups) await action();
  });

  let number = 0;
  const say = (key, incident, kind = "updated") => publish(cluster.urls, { event_id: `board-${(number += 1)}`, kind, key, incident });
  const inColumn = (page, severity, key) => page.waitForSelector(`[data-severity=${severity}] [data-id="${key}"]`);
  const state = (page, name) => page.waitForSelector(`#connection[data-state=${name}]`);

  test("shows what is open and what moves, and no markup of others", { timeout: 120_000 }, async () => {
    await say("b-1", { title: "API slow", severity: "P1", status: "detected" }, "created");
    const { page, errors } = await openPage(browser, cluster.urls()[0]);
    await inColumn(page, "P1", "b-1");
    assert.equal(await page.textContent("#where"), "on edge-0");
    await say("b-1", { severity: "P0" }, "escalated");
    await inColumn(page, "P0", "b-1");
    await say("b-2", { title: "<img src=x onerror=document.title='owned'>", severity: "P2", status: "detected" }, "created");
    const card = await inColumn(page, "P2", "b-2");
    assert.equal(await card.$("img"), null);
    await say("b-1", { status: "resolved" }, "resolved");
    await page.waitForSelector('[data-id="b-1"]', { state: "detached" });
    assert.equal(await page.textContent("#open"), "1");
    assert.equal(await page.title(), "Tocsin");
    assert.deepEqual(errors, []);
    await page.close();
  });

  test("a kill -9 of the edge under it is shown, and nothing is missed", { timeout: 120_000 }, async () => {
    const { page } = await openPage(browser, cluster.urls()[0]);
    await state(page, "open");
    cluster.kill("edge-0");
    await say("b-3", { title: "while it was away", severity: "P3", status: "detected" }, "created");
    await page.waitForFunction(() => document.getElementById("reconnects").textContent === "1");
    await inColumn(page, "P3", "b-3");
    await state(page, "open");
    assert.match(await page.textContent("#story"), /back on edge-0 after [0-9.]+ s, resumed/);
    await cluster.ready();
    await page.close();
  });

  test("an edge that drains sends it elsewhere without a break", { timeout: 120_000 }, async (t) => {
    const [origin] = cluster.urls();
    const draining = await fakeEdge(t, {
      async http(request, response) {
        const reply = await fetch(origin + request.url);
        response.writeHead(reply.status, { "content-type": reply.headers.get("content-type") }).end(await reply.text());
      },
    });
    const { page } = await openPage(browser, draining.url.replace("ws:", "http:"));
    const peer = await draining.peer();
    await peer.greet({ edge: "edge-old" });
    const { id } = await peer.expect("subscribe");
    peer.send(subscribed(id, 1, 5), { type: "snapshot", sub: 1, last: true, incidents: [] }, update(1, 6, "old-1"));
    await inColumn(page, "P4", "old-1");
    await page.evaluate(() => {
      window.states = [];
      new MutationObserver(() => window.states.push(document.getElementById("connection").dataset.state))
        .observe(document.getElementById("connection"), { attributes: true });
    });
    await say("b-4", { title: "on the new edge", severity: "P1", status: "detected" }, "created");
    peer.send({ type: "status", status: "migrating", details: { new_endpoint: cluster.edges()[1].ws ?? cluster.urls()[1], reconnect_after: 10, resume_token: "x", deadline: 20000 } });
    await peer.expect("bye");
    await inColumn(page, "P1", "b-4");
    assert.equal(await page.textContent("#where"), "on edge-1");
    assert.equal(await page.textContent("#moves"), "1");
    assert.equal(await page.textContent("#reconnects"), "0");
    assert.ok((await page.evaluate(() => window.states)).every((s) => s === "moving" || s === "open"));
    await page.close();
  });

  test("a drain of the edge under it: it moves before the viewer's eyes, and nothing is missed", { timeout: 120_000 }, async () => {
    const [edge] = cluster.urls();
    const { page, errors } = await openPage(browser, edge);
    await state(page, "open");
    await page.evaluate(() => {
      window.states = [];
      new MutationObserver(() => window.states.push(document.getElementById("connection").dataset.state))
        .observe(document.getElementById("connection"), { attributes: true });
    });
    const reply = await fetch(`${edge}/admin/drain`, { method: "POST", body: JSON.stringify({ deadline_ms: 15_000 }) });
    assert.equal(reply.status, 202, await reply.text());
    await say("b-5", { title: "during the drain", severity: "P2", status: "detected" }, "created");
    await page.waitForFunction(() => document.getElementById("where").textContent === "on edge-1");
    await inColumn(page, "P2", "b-5");
    await say("b-6", { title: "after the drain", severity: "P3", status: "detected" }, "created");
    await inColumn(page, "P3", "b-6");
    assert.equal(await page.textContent("#moves"), "1");
    assert.equal(await page.textContent("#reconnects"), "0");
    assert.ok((await page.evaluate(() => window.states)).every((s) => s === "moving" || s === "open"));
    assert.deepEqual(errors, []);
    await page.close();
    await fetch(`${edge}/admin/uncordon`, { method: "POST" });
    await cluster.ready();
  });
});
