// Coverage: which offsets of one epoch were seen, delivered or declared skipped. Nearly always one number; while a conflated
// run is under way (PROTOCOL.md 4.6) also ranges ahead of it.
//
// Invariant: ranges are sorted, disjoint, not adjacent, and all above `through` + 1. There are at most `maxRanges`.

export class Coverage {
  #ranges = []; // [from, to]

  constructor(epoch, through, maxRanges = 4096) {
    this.epoch = epoch;
    /** The highest offset up to which all are seen: the position to resume from. */
    this.through = through;
    this.maxRanges = maxRanges;
  }

  get position() {
    return { epoch: this.epoch, offset: this.through };
  }

  /** True when there are more holes than are kept: the stream has to be asked for again. */
  get overflown() {
    return this.#ranges.length > this.maxRanges;
  }

  has(offset) {
    return offset <= this.through || this.#ranges.some(([from, to]) => from <= offset && offset <= to);
  }

  /** Marks from..to as seen; true when any of it was new. */
  add(from, to = from) {
    if (to <= this.through) return false;
    if (from <= this.through + 1) {
      this.through = to;
      this.#absorb();
      return true;
    }
    return this.#insert(from, to);
  }

  #absorb() {
    while (this.#ranges.length > 0 && this.#ranges[0][0] <= this.through + 1) {
      this.through = Math.max(this.through, this.#ranges.shift()[1]);
    }
  }

  #insert(from, to) {
    let at = this.#ranges.length; // new offsets come at the end: look from there
    while (at > 0 && this.#ranges[at - 1][1] >= from - 1) at -= 1;
    const touched = [];
    while (at + touched.length < this.#ranges.length && this.#ranges[at + touched.length][0] <= to + 1) {
      touched.push(this.#ranges[at + touched.length]);
    }
    if (touched.some(([a, b]) => a <= from && to <= b)) return false;
    for (const [a, b] of touched) {
      from = Math.min(from, a);
      to = Math.max(to, b);
    }
    this.#ranges.splice(at, touched.length, [from, to]);
    return true;
  }
}
