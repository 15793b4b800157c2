// Client: what an application holds. Keeps one link alive, moves to another one make-before-break when the server asks
// (PROTOCOL.md 5.7), and comes back after a cut as the close code advises.
//
//   connecting -> open -> waiting -> connecting ...       closed: from any, for good
//                  |  ^
//                  v  |  a second link is opened while the first one goes on
//                moving
//
// Invariant: at most two links, `#current` (welcomed) and `#next` (being opened); only they may change anything.
// Bounds: one store and its queues per subscription, `maxPublishes` publishes without an answer.
import { adviceFor, backoff, delayBefore } from "./advice.js";
import { endpointOf, makeId } from "./address.js";
import { Emitter } from "./emitter.js";
import { TocsinError } from "./error.js";
import { Publishes } from "./publishes.js";
import { SseLink } from "./sse_link.js";
import { Subscription } from "./subscription.js";
import { TokenSource } from "./token.js";
import { WsLink } from "./ws_link.js";

const kDefaults = {
  transport: "auto", sseAfter: 3, wsProbeMs: 60_000, stableMs: 10_000, maxDelayMs: 30_000,
  maxIncidents: 10_000, maxQueue: 1_000, maxHoles: 4_096, maxPublishes: 256,
};

/** The WebSocket class of this platform; Node before 22 gets ours. */
async function webSocketClass(injected) {
  return injected ?? globalThis.WebSocket ?? (await import("./node_socket.js")).NodeSocket;
}

export class Client extends Emitter {
  #options;
  #endpoints;
  #at = 0;
  #moved = null; // where the server sent us, until it fails
  #subscriptions = new Map();
  #publishes;
  #token;
  #session = null;
  #ticket = null;
  #current = null;
  #next = null;
  #leaving = new Set();
  #failures = 0;
  #refused = 0; // WebSockets in a row that never opened
  #timers = new Set();
  #probing = false;
  /** @internal Updates that came again and were dropped. */
  repeats = 0;
  state = "connecting";

  constructor(endpoints, options = {}) {
    super();
    this.#options = { ...kDefaults, ...options };
    this.#endpoints = [endpoints].flat().map(endpointOf);
    if (this.#endpoints.length === 0) throw new TypeError("no endpoint given");
    this.#publishes = new Publishes(this.#options.maxPublishes);
    this.#token = new TokenSource(this.#options.token, (token) => this.refresh(token));
    this.#dial();
  }

  /** The edge that serves now, its session and the transport; nulls while there is none. */
  get connection() {
    const link = this.#current;
    return { edge: link?.edge ?? null, session: this.#session, transport: link?.kind ?? null, url: link?.endpoint.http ?? null };
  }

  /** Starts a subscription. It outlives connections, until closed or refused. */
  subscribe(options = {}) {
    if (this.state === "closed") throw new TocsinError("closed", "the client is closed");
    const id = options.id ?? makeId().slice(0, 13);
    if (this.#subscriptions.has(id)) throw new TocsinError("invalid_argument", `a subscription "${id}" is there already`);
    const subscription = new Subscription(this, { ...options, id }, this.#options);
    this.#subscriptions.set(id, subscription);
    this.#current?.subscribe(subscription);
    return subscription;
  }

  /**
   * Publishes; fulfilled with `published` after the commit. An unanswered one is said again on the next connection, under the
   * same event_id, and so takes effect once.
   */
  publish(update) {
    if (this.state === "closed") return Promise.reject(new TocsinError("closed", "the client is closed"));
    return this.#publishes.add({ event_id: makeId(), ...update }, this.#current);
  }

  /** Gives the server another token, now and from now on. */
  refresh(token) {
    this.#token.set(token);
    this.#current?.refresh(token);
  }

  /** Ends the session and every subscription. */
  close() {
    this.#finish(null);
  }

  /** @internal */
  forget(subscription) {
    if (!this.#subscriptions.delete(subscription.id)) return;
    this.#current?.unsubscribe(subscription);
    this.#next?.unsubscribe(subscription);
  }

  /** @internal A timer that ends with the client. */
  later(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (this.state !== "closed") action();
    }, ms);
    this.#timers.add(timer);
  }

  async #dial({ endpoint = this.#endpoint(), ticket = this.#ticket, kind = this.#kind() } = {}) {
    const attempt = (this.#next = { alive: true, endpoint, drop() {}, unsubscribe() {} }); // until the link itself is there
    let hello;
    let WebSocketClass;
    try {
      hello = { token: await this.#token.get() };
      WebSocketClass = kind === "websocket" ? await webSocketClass(this.#options.WebSocket) : null;
    } catch (error) {
      if (this.#next === attempt) this.#finish(new TocsinError("unauthorized", `no token or no WebSocket: ${error.message ?? error}`));
      return;
    }
    if (this.#next !== attempt || this.state === "closed") return;
    if (this.#current === null) this.#become("connecting", { url: endpoint.http, transport: kind });
    if (kind === "sse") {
      this.#next = new SseLink(endpoint, hello, this.#options.fetch ?? globalThis.fetch.bind(globalThis), this.#owner);
      return;
    }
    if (ticket) Object.assign(hello, { ticket, since: this.#positions() });
    this.#next = new WsLink(endpoint, hello, WebSocketClass, this.#owner);
    this.#next.repeatsBefore = this.repeats;
  }

  #endpoint() {
    return this.#moved ?? this.#endpoints[this.#at % this.#endpoints.length];
  }

  #kind() {
    if (this.#options.transport !== "auto") return this.#options.transport;
    return this.#refused > 0 && this.#refused % (this.#options.sseAfter + 1) === this.#options.sseAfter ? "sse" : "websocket";
  }

  #positions() {
    const since = {};
    for (const { id, position } of this.#subscriptions.values()) if (position) since[id] = position;
    return since;
  }

  // What links tell. A link that is neither current nor next may still bring updates, and nothing else.
  #owner = {
    opened: (link, welcome) => this.#onOpened(link, welcome),
    ended: (link, how) => this.#onEnded(link, how),
    reply: (frame) => this.#publishes.answered(frame),
    warn: (frame) => this.emit("warning", TocsinError.of(frame)),
    migrating: (link, details) => link === this.#current && this.#onMigrating(details),
    subscription: (id) => this.#subscriptions.get(id),
  };

  #onOpened(link, welcome) {
    if (link !== this.#next) return link.drop();
    const old = this.#current;
    this.#current = link;
    this.#next = null;
    this.#ticket = welcome.ticket ?? this.#ticket;
    this.#session = welcome.session ?? this.#session;
    if (link.kind === "websocket") this.#refused = 0;
    else this.#probe();
    for (const subscription of this.#subscriptions.values()) {
      if (!welcome.resumed) link.subscribe(subscription);
      else if (subscription.session === link.session) link.expect(subscription);
      else link.renew(subscription, false); // the session's record may know it, or not
    }
    this.#publishes.repeat(link);
    this.later(this.#options.stableMs, () => link === this.#current && (this.#failures = 0));
    this.#become("open", { edge: link.edge, transport: link.kind, resumed: welcome.resumed === true, moved: old !== null });
    if (old) this.#leave(old, link, Date.now() + 10_000);
  }

  /** The old link goes on until the new one carries everything. */
  #leave(old, link, deadline) {
    this.#leaving.add(old);
    if (old.alive && link.alive && !link.settled && Date.now() < deadline) return this.later(20, () => this.#leave(old, link, deadline));
    if (old.alive) old.bye(this.repeats - (link.repeatsBefore ?? this.repeats));
  }

  #onEnded(link, how) {
    this.#leaving.delete(link);
    if (link !== this.#current && link !== this.#next) return;
    if (how.ticket) this.#ticket = how.ticket;
    if (link === this.#next) {
      this.#next = null;
      this.#notOpened(link, how);
    } else {
      this.#current = null;
      this.emit("disconnect", how);
      if (this.#next) return this.#become("connecting", { url: this.#next.endpoint.http, ...how }); // on the way elsewhere already
      this.#comeBack(how);
    }
  }

  #notOpened(link, how) {
    if (!link.welcomed) this.#refused += 1;
    if (link.endpoint === this.#moved) this.#moved = null;
    if (this.#current) return this.emit("warning", new TocsinError("unavailable", `${link.endpoint.http}: ${how.reason || how.code}`));
    this.#comeBack(how);
  }

  #comeBack(how) {
    const { again, elsewhere } = adviceFor(how.code);
    if (again === "no" || (again === "yes" && how.dictated < 0)) return this.#finish(new TocsinError(`close_${how.code}`, how.reason || `closed with ${how.code}`, { status: how.code }));
    if (again === "token" && !this.#token.renewable(this.#failures)) return this.#finish(new TocsinError("unauthorized", how.reason, { status: 401 }));
    this.#failures += 1;
    if (elsewhere) {
      if (!this.#moved) this.#at += 1;
      this.#moved = null;
    }
    const delay = delayBefore({ code: how.code, dictated: how.dictated, failures: this.#failures, max: this.#options.maxDelayMs });
    this.#become("waiting", { delay, code: how.code, reason: how.reason });
    this.later(delay, () => this.#current ?? this.#next ?? this.#dial());
  }

  /** Make before break: the second socket is opened while this one goes on. */
  #onMigrating({ new_endpoint, reconnect_after = 0, resume_token, deadline = 30_000 }) {
    const from = this.#current;
    let endpoint;
    try {
      endpoint = endpointOf(new_endpoint);
    } catch (error) {
      return this.emit("warning", new TocsinError("invalid_argument", `migrating: ${error.message}`));
    }
    if (from.endpoint.ws.startsWith("wss:") && !endpoint.ws.startsWith("wss:")) {
      return this.emit("warning", new TocsinError("forbidden", "migrating to an endpoint without TLS was refused"));
    }
    const until = Date.now() + deadline;
    this.emit("migrating", { url: endpoint.http, delay: reconnect_after, deadline });
    const attempt = (tries) => {
      if (this.#current !== from) return;
      if (this.#next === null && Date.now() < until) {
        if (tries === 0) this.#become("moving", { url: endpoint.http });
        this.#dial({ endpoint, ticket: resume_token ?? this.#ticket, kind: "websocket" });
        this.#moved = endpoint;
      }
      if (Date.now() < until) this.later(backoff(tries), () => attempt(tries + 1));
      else if (this.state === "moving") this.#become("open", { edge: from.edge, transport: from.kind, resumed: true, moved: false });
    };
    this.later(reconnect_after, () => attempt(0));
  }

  /** On SSE: a WebSocket is tried from time to time, and moved to when it opens. */
  #probe() {
    if (this.#probing || this.#options.transport !== "auto") return;
    this.#probing = true;
    this.later(this.#options.wsProbeMs, () => {
      this.#probing = false;
      if (this.#current?.kind !== "sse") return;
      if (this.#next === null) this.#dial({ kind: "websocket" });
      this.#probe();
    });
  }

  #finish(error) {
    if (this.state === "closed") return;
    const links = [this.#current, this.#next, ...this.#leaving];
    this.#current?.bye();
    this.#current = this.#next = null;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#token.stop();
    this.#become("closed", error ? { error } : {});
    for (const subscription of [...this.#subscriptions.values()]) subscription.close(error ?? undefined);
    this.#publishes.fail(error ?? new TocsinError("closed", "the client is closed"));
    for (const link of links.slice(1)) link?.drop();
    if (error) this.emit("error", error);
    this.emit("close", error ?? undefined);
  }

  #become(state, details = {}) {
    this.state = state;
    this.emit("state", { state, ...details });
  }
}

/** Connects to an edge, or to the first of several that answers. */
export function connect(endpoints, options) {
  return new Client(endpoints, options);
}
