// Subscription: one stream of a channel, whole over all sockets that ever carried it.
//
// A `leg` is what one link knows of a subscription: the server's number, and how far that socket is. While a client moves
// there are two; both feed the same coverage, which lets every offset through once.
//
// Invariant: `coverage` is only what the application was given or was told that it is not given. A snapshot's position counts
// once its `last` frame came; until then a cut goes back to what was whole before.
import { Coverage } from "./coverage.js";
import { Emitter } from "./emitter.js";
import { UpdateQueue } from "./queue.js";
import { Store, isEnded } from "./store.js";
import { TocsinError } from "./error.js";

/** Heads that may pass while something older is owed; then it is taken for lost on the way. */
const kPatience = 2;

export class Leg {
  constructor(link, subscription) {
    this.link = link;
    this.subscription = subscription;
    this.number = undefined; // the server's, once `subscribed` came
    this.epoch = undefined;
    this.run = false; // a conflated run is under way
    this.owed = 0; // a head told of this offset, and it was not there yet
    this.heads = 0;
    this.staging = null; // the store that a snapshot fills
    this.position = null; // of that snapshot
    this.restateTo = 0; // up to here updates change the store, but are not news
  }
}

export class Subscription extends Emitter {
  #client;
  #queues = new Set();
  #ready;
  #settle;
  #repairs = 0;

  constructor(client, options, limits) {
    super();
    this.#client = client;
    this.id = options.id;
    this.channel = options.channel ?? "incidents";
    this.filter = options.filter;
    this.snapshot = options.snapshot ?? !options.since;
    this.conflate = options.conflate;
    this.maxRate = options.maxRate;
    this.limits = limits;
    this.store = new Store(limits.maxIncidents);
    this.state = "pending";
    this.coverage = options.since ? new Coverage(options.since.epoch, options.since.offset, limits.maxHoles) : null;
    /** The store is what the channel holds at `position`. */
    this.whole = !this.snapshot || this.coverage !== null; // with `since` the application has what came before
    this.leg = null;
    this.session = null; // the one that last confirmed this subscription
    this.#ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#ready.catch(() => {}); // whoever does not wait for it has `error` and `close`
  }

  /** What was delivered, as {epoch, offset}; null before the first `subscribed`. Give it back as `since` in another process. */
  get position() {
    return this.coverage?.position ?? null;
  }

  /** Fulfilled when the snapshot is complete, or the stream live without one. */
  get ready() {
    return this.#ready;
  }

  /** The updates from now on, for `for await`. */
  updates({ max = this.limits.maxQueue } = {}) {
    const queue = new UpdateQueue(max, () => this.#queues.delete(queue));
    if (this.state === "closed") queue.end();
    else this.#queues.add(queue);
    return queue;
  }

  [Symbol.asyncIterator]() {
    return this.updates();
  }

  /** Ends the subscription. */
  close(error) {
    if (this.state === "closed") return;
    this.#client.forget(this);
    this.#become("closed");
    for (const queue of this.#queues) queue.end();
    this.#queues.clear();
    this.#settle.reject(error ?? new TocsinError("closed", "the subscription was closed"));
    if (error) this.emit("error", error);
    this.emit("close", error);
  }

  /** @internal The frame that asks for this stream; `fresh`: its position is of no use. */
  request(fresh = false) {
    const frame = { type: "subscribe", id: this.id, channel: this.channel, snapshot: this.snapshot };
    if (this.filter) frame.filter = this.filter;
    if (this.conflate !== undefined) frame.conflate = this.conflate;
    if (this.maxRate !== undefined) frame.max_rate = this.maxRate;
    if (this.coverage && !fresh) frame.since = this.coverage.position;
    return frame;
  }

  /** @internal The link that carried it is gone. */
  detached(link) {
    if (this.leg?.link !== link) return;
    this.leg = null;
    if (this.state === "live") this.#become("resuming");
  }

  /** @internal */
  onFrame(leg, frame) {
    if (this.state === "closed") return;
    switch (frame.type) {
      case "subscribed": return this.#onSubscribed(leg, frame);
      case "snapshot": return this.#onSnapshot(leg, frame);
      case "update": return this.#onUpdate(leg, frame);
      case "skip": return this.#onSkip(leg, frame);
      case "head": return this.#onHead(leg, frame);
    }
  }

  /** @internal An `error` frame with this id. */
  onError(leg, frame) {
    if (frame.code === "not_found" || this.state === "closed") return; // an unsubscribe that was not needed
    if (frame.retry === "never") return this.close(TocsinError.of(frame));
    this.emit("error", TocsinError.of(frame));
    this.#client.later(frame.retry === "resync" ? 0 : 1000, () => {
      if (this.state !== "closed" && leg.link.alive) leg.link.subscribe(this, frame.retry === "resync");
    });
  }

  #onSubscribed(leg, frame) {
    const { position, outcome } = frame;
    leg.epoch = position.epoch;
    this.leg = leg;
    this.session = leg.link.session;
    leg.staging = null;
    if (outcome === "snapshot" || (outcome === "live" && this.snapshot)) {
      if (frame.reason) this.emit("resync", { reason: frame.reason, from: this.position, to: position });
      leg.staging = new Store(this.limits.maxIncidents);
      leg.position = position;
      return;
    }
    if (outcome === "resumed") {
      const fits = this.coverage && this.coverage.epoch === position.epoch && position.offset <= this.coverage.through;
      if (!fits || !this.whole) return leg.link.renew(this, true);
      return this.#live();
    }
    const from = this.position;
    this.coverage = new Coverage(position.epoch, position.offset, this.limits.maxHoles);
    if (outcome === "lost") {
      this.emit("lost", { reason: frame.reason, from, to: position });
      this.whole = !this.snapshot;
      if (this.snapshot) return leg.link.renew(this, true);
    }
    this.#live();
  }

  #onSnapshot(leg, frame) {
    if (!leg.staging) return;
    for (const incident of frame.incidents) leg.staging.set(incident.id, incident);
    if (!frame.last) return;
    const { epoch, offset } = leg.position;
    const known = this.coverage?.epoch === epoch ? this.coverage : null;
    const staged = leg.staging;
    leg.staging = null;
    if (!(known && this.whole && offset <= known.through)) { // else what is here is newer
      if (known) leg.restateTo = known.through;
      this.store.replace(staged);
      if (known) known.add(1, offset);
      else this.coverage = new Coverage(epoch, offset, this.limits.maxHoles);
      this.whole = true;
      this.emit("change", { type: "reset" });
      this.emit("snapshot", { size: this.store.size, position: leg.position });
    }
    this.#live();
  }

  #onUpdate(leg, frame) {
    if (this.coverage?.epoch !== leg.epoch || leg.staging) return; // an older leg, of a history that was given up
    const { offset, replaces } = frame;
    if (replaces) {
      leg.run = true;
      for (const replaced of replaces) this.coverage.add(replaced);
    }
    const news = this.coverage.add(offset);
    if (news || offset <= leg.restateTo) this.#apply(frame);
    if (news) this.#deliver(frame);
    else this.#client.repeats += 1;
    this.#check(leg, offset, !replaces);
  }

  #onSkip(leg, frame) {
    if (this.coverage?.epoch !== leg.epoch || leg.staging) return;
    this.coverage.add(frame.from, frame.to);
    this.#check(leg, frame.to, !leg.run);
  }

  #onHead(leg, frame) {
    if (this.coverage?.epoch !== leg.epoch || leg.staging) return;
    if (this.coverage.through >= frame.offset) return;
    if (this.coverage.through >= leg.owed) {
      leg.owed = frame.offset;
      leg.heads = 0;
    } else if ((leg.heads += 1) >= kPatience) {
      this.#repair(leg, leg.owed);
    }
  }

  /** After something that stands for everything up to `offset` on its socket. */
  #check(leg, offset, contiguous) {
    if (this.coverage.overflown || (contiguous && this.coverage.through < offset)) return this.#repair(leg, offset);
    if (leg.run && this.coverage.through >= offset) leg.run = false;
    this.#repairs = 0;
  }

  #repair(leg, offset) {
    if (leg !== this.leg) return; // a socket that is being left
    this.emit("gap", { after: this.coverage.position, before: offset });
    if (this.coverage.overflown) this.coverage = new Coverage(this.coverage.epoch, this.coverage.through, this.limits.maxHoles);
    this.#repairs += 1;
    if (this.#repairs > 3) leg.link.fail("gaps on this connection cannot be repaired");
    else leg.link.renew(this, false);
  }

  #apply(frame) {
    if (!frame.incident) return;
    const id = frame.key;
    if (this.filter?.active && isEnded(frame.incident)) {
      const previous = this.store.get(id);
      if (this.store.remove(id)) this.emit("change", { type: "remove", id, incident: frame.incident, previous });
      return;
    }
    const previous = this.store.set(id, frame.incident);
    this.emit("change", { type: "set", id, incident: frame.incident, previous });
  }

  #deliver(frame) {
    const { type, sub, ...update } = frame;
    update.epoch = this.coverage.epoch;
    update.channel = this.channel;
    for (const queue of this.#queues) queue.push(update);
    this.emit("update", update);
  }

  #live() {
    this.#become("live");
    this.#settle.resolve(this);
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }
}
