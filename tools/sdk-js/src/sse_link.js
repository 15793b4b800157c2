// SseLink: the same streams over Server-Sent Events (PROTOCOL.md 6.5), one request each, for networks that cut WebSockets.
// Read with fetch, not EventSource: a position and a token go in headers, and the client decides when to come back.
import { appendFilter } from "./address.js";
import { TocsinError } from "./error.js";
import { Leg } from "./subscription.js";

const kSilenceMs = 75_000; // the server sends a comment every keepalive (25 s)

export class SseLink {
  kind = "sse";
  alive = true;
  welcomed = false;
  session = null;
  edge = null;
  #owner;
  #token;
  #streams = new Map(); // subscription id -> {leg, abort}
  #opening = new AbortController();

  constructor(endpoint, hello, fetchFunction, owner) {
    this.endpoint = endpoint;
    this.#owner = owner;
    this.#token = hello.token;
    this.fetch = fetchFunction;
    this.#open();
  }

  async #open() {
    try {
      const reply = await this.fetch(`${this.endpoint.http}/health`, { signal: this.#opening.signal });
      const health = await reply.json();
      if (!this.alive) return;
      if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
      this.welcomed = true;
      this.edge = health.edge;
      this.#owner.opened(this, { resumed: false, edge: health.edge });
    } catch (error) {
      this.#end({ code: 1006, reason: String(error.message ?? error) });
    }
  }

  subscribe(subscription, fresh = false) {
    this.unsubscribe(subscription);
    const stream = { leg: new Leg(this, subscription), abort: new AbortController() };
    this.#streams.set(subscription.id, stream);
    this.#run(stream, subscription.request(fresh)).catch((error) => {
      if (this.#streams.get(subscription.id) !== stream) return;
      if (error instanceof TypeError && error.message.includes("comma")) {
        return subscription.close(new TocsinError("invalid_argument", error.message));
      }
      this.#end({ code: 1006, reason: String(error.message ?? error), ...error.how });
    });
  }

  expect(subscription) {
    this.subscribe(subscription);
  }

  renew(subscription, fresh) {
    this.subscribe(subscription, fresh);
  }

  unsubscribe(subscription) {
    const stream = this.#streams.get(subscription.id);
    this.#streams.delete(subscription.id);
    stream?.abort.abort();
  }

  get settled() {
    return [...this.#streams.values()].every(({ leg }) => leg.number !== undefined);
  }

  async publish(ref, update) {
    try {
      const headers = { "content-type": "application/json", ...this.#authorization() };
      const reply = await this.fetch(`${this.endpoint.http}/v1/updates`, { method: "POST", headers, body: JSON.stringify(update) });
      const body = await reply.json();
      const result = body.results?.[0] ?? body;
      this.#owner.reply({ ...(result.error ?? result), type: reply.ok && !result.error ? "published" : "error", ref });
    } catch (error) {
      this.#end({ code: 1006, reason: String(error.message ?? error) }); // the publish is said again on the next link
    }
  }

  refresh(token) {
    this.#token = token; // for the next request
  }

  bye() {
    this.drop();
  }

  fail(reason) {
    this.#end({ code: 1006, reason });
  }

  drop() {
    this.#end({ code: 1000, reason: "dropped" });
  }

  #authorization() {
    return this.#token ? { authorization: `Bearer ${this.#token}` } : {};
  }

  async #run(stream, request) {
    const query = new URLSearchParams({ channel: request.channel });
    appendFilter(query, request.filter);
    if (request.snapshot) query.set("snapshot", "true");
    if (request.conflate !== undefined) query.set("conflate", String(request.conflate));
    if (request.max_rate !== undefined) query.set("max_rate", String(request.max_rate));
    const headers = { accept: "text/event-stream", ...this.#authorization() };
    if (request.since) headers["last-event-id"] = `${request.since.epoch}:${request.since.offset}`;
    const reply = await this.fetch(`${this.endpoint.http}/v1/events?${query}`, { headers, signal: stream.abort.signal, cache: "no-store" });
    if (!reply.ok) throw refusal(reply);
    await this.#read(stream, reply.body.getReader());
    throw new Error("the event stream ended");
  }

  async #read(stream, reader) {
    const decoder = new TextDecoder();
    let rest = "";
    let silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(() => this.fail("nothing was heard for too long"), kSilenceMs);
    };
    try {
      for (;;) {
        alive();
        const { value, done } = await reader.read();
        if (done || !this.alive) return;
        const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
        rest = events.pop();
        for (const event of events) {
          if (event.startsWith("data: ") || event.startsWith("id: ")) this.#onFrame(stream, JSON.parse(event.slice(event.indexOf("data: ") + 6)));
        }
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #onFrame(stream, frame) {
    const { subscription } = stream.leg;
    if (!this.alive || this.#streams.get(subscription.id) !== stream) return;
    if (frame.type === "closing") return this.#end({ code: frame.code, reason: frame.reason, dictated: frame.retry_after_ms });
    if (frame.type === "error") return subscription.onError(stream.leg, frame);
    if (frame.type === "subscribed") {
      stream.leg = new Leg(this, subscription);
      stream.leg.number = frame.sub;
    }
    subscription.onFrame(stream.leg, frame);
  }

  #end({ code, reason, dictated }) {
    if (!this.alive) return;
    this.alive = false;
    this.#opening.abort();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const { leg, abort } of streams) {
      abort.abort();
      leg.subscription.detached(this);
    }
    this.#owner.ended(this, { code, reason, dictated });
  }
}

/** A refused request, as the close code that means the same. */
function refusal(reply) {
  const codes = { 400: 4400, 401: 4401, 403: 4403, 429: 4429, 503: 1013 };
  const seconds = Number(reply.headers.get("retry-after"));
  const how = { code: codes[reply.status] ?? 1006, dictated: seconds > 0 ? seconds * 1000 : undefined };
  return Object.assign(new Error(`HTTP ${reply.status}`), { how });
}
