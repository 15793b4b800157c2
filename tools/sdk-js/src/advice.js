// What a client does after a close, and how long it waits (PROTOCOL.md 4.10, common/close.def). Pure.
//
// `again`: yes - connect again and resume; token - only with another token; no - the application has to change something.
// `elsewhere`: the next endpoint of the list is tried first. `delay`: when the server dictated none.

const row = (again, delay, elsewhere = true) => ({ again, delay, elsewhere });

const kAdvice = new Map([
  [1000, row("yes", 1000)],
  [1001, row("yes", 1000)],
  [1008, row("no", 0)],
  [1009, row("no", 0)],
  [1012, row("yes", 500)],
  [1013, row("yes", 2000)],
  [4400, row("no", 0)],
  [4401, row("token", 0, false)],
  [4403, row("no", 0)],
  [4408, row("yes", 1000, false)],
  [4409, row("no", 0)],
  [4429, row("yes", 5000, false)],
  [4430, row("yes", 1000, false)],
  [4431, row("yes", 0, false)],
]);

/** Codes that are not listed (1006: cut) mean: come back. */
export function adviceFor(code) {
  return kAdvice.get(code) ?? row("yes", 250);
}

/** Somewhere in the upper half of an exponentially growing window. */
export function backoff(failures, { base = 250, max = 30_000, random = Math.random } = {}) {
  const window = Math.min(max, base * 2 ** Math.min(failures, 20));
  return Math.round(window * (0.5 + random() / 2));
}

/**
 * The delay before the next attempt. What the server dictates is taken as it is: it has spread its clients already. Only a
 * client that fails again and again adds a backoff of its own.
 */
export function delayBefore({ code, dictated, failures, random = Math.random, max = 30_000 }) {
  const own = failures > 1 ? backoff(failures - 1, { random, max }) : 0;
  if (dictated !== undefined && dictated >= 0) return Math.max(dictated, own);
  const { delay } = adviceFor(code);
  return Math.max(Math.round(delay * (0.5 + random())), own);
}
