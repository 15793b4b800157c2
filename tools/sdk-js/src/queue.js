// UpdateQueue: what an application that reads with `for await` has not taken yet.
//
// Bound: `max` updates. When full, an incident's waiting update gives way to its newer one (the newest is whole), and without
// one the oldest goes. Either is said: the next item taken is {type: "overflow", dropped: N}.

export class UpdateQueue {
  #items = [];
  #dropped = 0;
  #waiting = [];
  #ended = false;
  #onReturn;

  constructor(max = 1_000, onReturn = () => {}) {
    this.max = max;
    this.#onReturn = onReturn;
  }

  push(update) {
    if (this.#ended) return;
    if (this.#items.length === 0 && this.#waiting.length > 0) return this.#waiting.shift()({ value: update, done: false });
    if (this.#items.length >= this.max) {
      const older = update.incident ? this.#items.findIndex((u) => u.key === update.key && u.incident) : -1;
      this.#items.splice(Math.max(older, 0), 1);
      this.#dropped += 1;
    }
    this.#items.push(update);
  }

  end() {
    this.#ended = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }

  next() {
    if (this.#dropped > 0) {
      const value = { type: "overflow", dropped: this.#dropped };
      this.#dropped = 0;
      return Promise.resolve({ value, done: false });
    }
    if (this.#items.length > 0) return Promise.resolve({ value: this.#items.shift(), done: false });
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return() {
    this.end();
    this.#items = [];
    this.#onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}
