// Emitter: named events to handlers, in the order they were added. A handler that throws breaks nothing here: its error
// surfaces as an uncaught one, after the stream's own bookkeeping is done.

function report(error) {
  if (globalThis.reportError) return globalThis.reportError(error);
  queueMicrotask(() => {
    throw error;
  });
}

export class Emitter {
  #handlers = new Map();

  /** Calls `handler` for every event of this name; returns a function that ends that. */
  on(name, handler) {
    let list = this.#handlers.get(name);
    if (!list) this.#handlers.set(name, (list = new Set()));
    list.add(handler);
    return () => list.delete(handler);
  }

  /** The next event of this name. */
  once(name) {
    return new Promise((resolve) => {
      const off = this.on(name, (value) => {
        off();
        resolve(value);
      });
    });
  }

  /** @protected */
  emit(name, value) {
    const list = this.#handlers.get(name);
    if (!list) return;
    for (const handler of [...list]) {
      try {
        handler(value);
      } catch (error) {
        report(error);
      }
    }
  }
}
