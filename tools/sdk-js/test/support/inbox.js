// A queue that a test waits on, with a deadline instead of sleeps.

export function deadline(promise, what, ms = 10_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
    timer.unref(); // whoever waits has sockets open
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function inbox() {
  const items = [];
  const takers = [];
  return {
    get size() {
      return items.length;
    },
    put(item) {
      if (takers.length > 0) takers.shift()(item);
      else items.push(item);
    },
    take(what = "an item", ms) {
      if (items.length > 0) return Promise.resolve(items.shift());
      return deadline(new Promise((resolve) => takers.push(resolve)), what, ms);
    },
  };
}

/** The first event for which `where` is true, from now on. */
export function event(emitter, name, where = () => true, ms) {
  let off;
  const found = new Promise((resolve) => {
    off = emitter.on(name, (value) => where(value) && resolve(value));
  });
  return deadline(found, `${name}`, ms).finally(() => off());
}

/** Looks until it is true. */
export async function until(look, what, ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await Promise.resolve().then(look).catch(() => undefined);
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
