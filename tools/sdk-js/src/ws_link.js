// WsLink: one WebSocket (PROTOCOL.md 2 to 5), from dialling to its end. It routes frames to subscriptions and knows nothing of
// other links.
//
// Invariant: `opened` is called at most once, after `welcome`; `ended` exactly once, last.
import { Leg } from "./subscription.js";

const kSilenceMs = 15_000; // live subscriptions hear a head every 5 s
const kAnswerMs = 10_000;
const kRestoreMs = 3_000;

export class WsLink {
  kind = "websocket";
  alive = true;
  welcomed = false;
  session = null;
  edge = null;
  #socket;
  #owner;
  #legs = new Map(); // by subscription id
  #numbers = new Map(); // by the server's number
  #closing = null;
  #failure = null;
  #afterCut;
  #heard = Date.now();
  #timers = new Set();

  /** `owner`: opened(link, welcome), ended(link, how), reply(frame), migrating(link, details), warn(frame), subscription(id). */
  constructor(endpoint, hello, WebSocketClass, owner) {
    this.endpoint = endpoint;
    this.#owner = owner;
    this.#after(kAnswerMs, () => this.welcomed || this.fail("no welcome in time"));
    try {
      this.#socket = new WebSocketClass(endpoint.ws, "tocsin.v1.json");
    } catch (error) {
      queueMicrotask(() => this.#end({ code: 1006, reason: String(error) }));
      return;
    }
    this.#socket.onopen = () => this.send({ type: "connect", ...hello });
    this.#socket.onmessage = (event) => this.#onMessage(event.data);
    this.#socket.onerror = (event) => (this.#failure ??= { message: event.message ?? "the connection failed", wait: event.retryAfterMs });
    this.#socket.onclose = (event) => this.#end({ code: event.code, reason: event.reason || this.#failure?.message || "" });
  }

  send(frame) {
    if (this.alive && this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  /** Asks for the stream; `fresh`: without its position. */
  subscribe(subscription, fresh = false) {
    this.#legs.set(subscription.id, new Leg(this, subscription));
    this.send(subscription.request(fresh));
  }

  /** Waits for the server to bring the subscription back by itself, asks when it does not. */
  expect(subscription) {
    const leg = new Leg(this, subscription);
    this.#legs.set(subscription.id, leg);
    this.#after(kRestoreMs, () => {
      if (leg.number === undefined && this.#legs.get(subscription.id) === leg) this.renew(subscription, false);
    });
  }

  unsubscribe(subscription) {
    const leg = this.#legs.get(subscription.id);
    this.#legs.delete(subscription.id);
    if (leg) this.#numbers.delete(leg.number);
    this.send({ type: "unsubscribe", id: subscription.id });
  }

  /** Asks for a stream again that is not what it should be. */
  renew(subscription, fresh) {
    this.unsubscribe(subscription);
    this.subscribe(subscription, fresh);
  }

  /** True when every subscription of this link was answered. */
  get settled() {
    return [...this.#legs.values()].every((leg) => leg.number !== undefined);
  }

  publish(ref, update) {
    this.send({ type: "publish", ref, update });
  }

  refresh(token) {
    this.send({ type: "refresh", token });
  }

  /** Ends the session; the server closes. `duplicates`: updates that came on a second socket as well, where there is one. */
  bye(duplicates) {
    this.send(duplicates === undefined ? { type: "bye" } : { type: "bye", duplicates });
    this.#after(5_000, () => this.drop());
  }

  /** Gives the connection up, without waiting for the other side. */
  fail(reason) {
    this.#end({ code: 1006, reason });
  }

  drop() {
    this.#end({ code: 1000, reason: "dropped" });
  }

  #onMessage(text) {
    if (!this.alive) return;
    this.#heard = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.fail("a frame is not JSON");
    }
    this.#onFrame(frame);
  }

  #onFrame(frame) {
    switch (frame.type) {
      case "welcome": return this.#onWelcome(frame);
      case "subscribed": return this.#onSubscribed(frame);
      case "error": return this.#onError(frame);
      case "published": return this.#owner.reply(frame);
      case "closing": return void (this.#closing = frame);
      case "status": return frame.status === "migrating" ? this.#owner.migrating(this, frame.details ?? {}) : undefined;
      default: {
        const leg = this.#numbers.get(frame.sub);
        leg?.subscription.onFrame(leg, frame);
      }
    }
  }

  #onWelcome(frame) {
    if (this.welcomed) return;
    this.welcomed = true;
    this.session = frame.session;
    this.edge = frame.edge;
    this.#afterCut = frame.retry_after_ms;
    this.#watch();
    this.#owner.opened(this, frame);
  }

  #onSubscribed(frame) {
    let leg = this.#legs.get(frame.id);
    if (!leg) {
      const subscription = this.#owner.subscription(frame.id);
      if (!subscription) return this.send({ type: "unsubscribe", id: frame.id }); // restored, but no longer wanted
      this.#legs.set(frame.id, (leg = new Leg(this, subscription)));
    } else if (leg.number !== undefined) {
      this.#numbers.delete(leg.number);
      this.#legs.set(frame.id, (leg = new Leg(this, leg.subscription))); // the stream starts over
    }
    leg.number = frame.sub;
    this.#numbers.set(frame.sub, leg);
    leg.subscription.onFrame(leg, frame);
  }

  #onError(frame) {
    const leg = frame.id !== undefined ? this.#legs.get(frame.id) : undefined;
    if (leg) return leg.subscription.onError(leg, frame);
    if (frame.ref !== undefined) return this.#owner.reply(frame);
    if (frame.id === undefined) this.#owner.warn(frame);
  }

  /** A socket that is silent is asked, and given up when it does not answer. */
  #watch() {
    this.#after(kSilenceMs / 3, () => {
      const silent = Date.now() - this.#heard;
      if (silent >= kSilenceMs) {
        const asked = Date.now();
        this.send({ type: "ping", ref: "alive" });
        this.#after(kAnswerMs, () => this.#heard < asked && this.fail("nothing was heard for too long"));
      }
      this.#watch();
    });
  }

  #after(ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
  }

  #end({ code, reason }) {
    if (!this.alive) return;
    this.alive = false;
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#socket) {
      this.#socket.onmessage = this.#socket.onclose = this.#socket.onopen = null;
      this.#socket.onerror = () => {}; // of no interest any more, but not unhandled
      if (this.#socket.readyState < 2) this.#socket.close();
    }
    const closing = this.#closing;
    for (const leg of this.#legs.values()) leg.subscription.detached(this);
    this.#owner.ended(this, {
      code: closing?.code ?? code,
      reason: closing?.reason ?? reason,
      dictated: closing ? closing.retry_after_ms : this.#failure?.wait ?? (code === 1006 ? this.#afterCut : undefined),
      ticket: closing?.ticket,
    });
  }
}
