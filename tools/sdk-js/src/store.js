// Store: incidents by id, as the snapshot and the updates after it leave them.
//
// Bound: `max` incidents. When full, ended ones go first, then the one that was not heard of for longest; `evicted` counts them.

const kEnded = new Set(["resolved", "closed"]);

export const isEnded = (incident) => kEnded.has(incident.status);

export class Store {
  #incidents = new Map(); // in the order in which they were last heard of
  #ended = new Set();
  evicted = 0;

  constructor(max = 10_000) {
    this.max = max;
  }

  get size() {
    return this.#incidents.size;
  }

  get(id) {
    return this.#incidents.get(id);
  }

  has(id) {
    return this.#incidents.has(id);
  }

  /** The incidents, or those for which `where` is true; the ones that changed last come last. */
  list(where) {
    const all = [...this.#incidents.values()];
    return where ? all.filter(where) : all;
  }

  [Symbol.iterator]() {
    return this.#incidents.values();
  }

  /** @internal What was known before, if anything. */
  set(id, incident) {
    const previous = this.#incidents.get(id);
    this.#incidents.delete(id);
    this.#incidents.set(id, incident);
    this.#ended.delete(id);
    if (isEnded(incident)) this.#ended.add(id);
    if (this.#incidents.size > this.max) this.#evict(id);
    return previous;
  }

  /** @internal */
  remove(id) {
    this.#ended.delete(id);
    return this.#incidents.delete(id);
  }

  /** @internal Becomes what `other` is. */
  replace(other) {
    this.#incidents = other.#incidents;
    this.#ended = other.#ended;
    this.evicted += other.evicted;
  }

  #evict(keep) {
    this.evicted += 1;
    for (const ids of [this.#ended, this.#incidents.keys()]) {
      for (const id of ids) {
        if (id !== keep) return this.remove(id);
      }
    }
    return this.remove(keep);
  }
}
