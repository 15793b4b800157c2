// The parts without a socket: coverage, store, queue, delays, addresses, tokens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceFor, delayBefore } from "../src/advice.js";
import { appendFilter, endpointOf } from "../src/address.js";
import { Coverage } from "../src/coverage.js";
import { UpdateQueue } from "../src/queue.js";
import { Store } from "../src/store.js";
import { TokenSource, expiryOf } from "../src/token.js";

test("coverage lets each offset through once, in any order", () => {
  for (let round = 0; round < 200; round += 1) {
    const coverage = new Coverage("e", 10);
    const seen = new Set();
    let random = round + 1;
    const next = (n) => (random = (random * 48271) % 2147483647) % n;
    for (let i = 0; i < 60; i += 1) {
      const from = 5 + next(40);
      const to = from + next(3);
      let news = false;
      for (let o = from; o <= to; o += 1) {
        if (o > 10 && !seen.has(o)) news = true;
        seen.add(o);
      }
      assert.equal(coverage.add(from, to), news);
      let through = 10;
      while (seen.has(through + 1)) through += 1;
      assert.equal(coverage.through, through);
      for (let o = 1; o < 50; o += 1) assert.equal(coverage.has(o), o <= 10 || seen.has(o));
    }
  }
});

test("coverage says when it holds too many holes", () => {
  const coverage = new Coverage("e", 0, 3);
  for (let o = 2; o <= 8; o += 2) coverage.add(o);
  assert.equal(coverage.overflown, true);
});

test("a full store gives up ended incidents first, then the oldest", () => {
  const store = new Store(3);
  store.set("a", { id: "a", status: "detected" });
  store.set("b", { id: "b", status: "resolved" });
  store.set("c", { id: "c", status: "detected" });
  store.set("d", { id: "d", status: "detected" });
  assert.deepEqual(store.list().map((i) => i.id), ["a", "c", "d"]);
  store.set("a", { id: "a", status: "escalated" });
  store.set("e", { id: "e", status: "detected" });
  assert.deepEqual(store.list().map((i) => i.id), ["d", "a", "e"]);
  assert.equal(store.evicted, 2);
});

test("a full queue says what it dropped and keeps an incident's newest", async () => {
  const queue = new UpdateQueue(2);
  for (const [key, n] of [["a", 1], ["b", 2], ["b", 3], ["c", 4]]) queue.push({ key, offset: n, incident: {} });
  queue.end();
  const got = [];
  for await (const item of queue) got.push(item);
  assert.deepEqual(got.map((i) => i.dropped ?? i.offset), [2, 3, 4]);
});

test("what the server dictates is waited exactly; without it the code's own delay is spread", () => {
  assert.equal(delayBefore({ code: 1012, dictated: 1234, failures: 1 }), 1234);
  assert.equal(delayBefore({ code: 4431, dictated: 0, failures: 1 }), 0);
  const spread = delayBefore({ code: 1013, failures: 1, random: () => 0.5 });
  assert.equal(spread, 2000);
  assert.ok(delayBefore({ code: 1006, failures: 8, random: () => 0.5 }) > 10_000, "failing again and again slows down");
  assert.ok(delayBefore({ code: 1006, failures: 30, random: () => 1 }) <= 30_000);
});

test("close codes: come back, come back with another token, or do not", () => {
  for (const code of [1001, 1006, 1012, 1013, 4408, 4429, 4430, 4431]) assert.equal(adviceFor(code).again, "yes", String(code));
  for (const code of [1008, 1009, 4400, 4403, 4409]) assert.equal(adviceFor(code).again, "no", String(code));
  assert.equal(adviceFor(4401).again, "token");
});

test("endpoints are taken as people write them", () => {
  assert.deepEqual(endpointOf("wss://x.example/v1/stream"), { ws: "wss://x.example/v1/stream", http: "https://x.example" });
  assert.deepEqual(endpointOf("http://h:8080/"), { ws: "ws://h:8080/v1/stream", http: "http://h:8080" });
  assert.deepEqual(endpointOf("https://h/tocsin"), { ws: "wss://h/tocsin/v1/stream", http: "https://h/tocsin" });
  assert.throws(() => endpointOf("ftp://h"));
});

test("a filter becomes a query; what a query cannot say is refused", () => {
  const query = new URLSearchParams();
  appendFilter(query, { severity: ["P0", "P1"], labels: { service: ["api"] }, active: true, team: [] });
  assert.equal(query.toString(), "severity=P0%2CP1&label.service=api&active=true");
  assert.throws(() => appendFilter(query, { team: ["a,b"] }), /comma/);
});

test("a token function is asked again before the token expires", async () => {
  const jwt = (exp) => `x.${Buffer.from(JSON.stringify({ exp })).toString("base64url")}.x`;
  assert.equal(expiryOf(jwt(1000)), 1_000_000);
  assert.equal(expiryOf("opaque"), undefined);
  const tokens = [jwt(Date.now() / 1000 + 1), "second"];
  const renewed = await new Promise((resolve) => {
    const source = new TokenSource(() => tokens.shift(), (token) => (source.stop(), resolve(token)));
    source.get();
  });
  assert.equal(renewed, "second");
});
