// TokenSource: where tokens come from: nowhere, a text, or a function that is asked for every connection and, when the token
// says when it expires (JWT `exp`), half a minute before that.

const kEarlyMs = 30_000;
const kMaxTimerMs = 2 ** 31 - 1;

/** Milliseconds since 1970 at which a JWT expires; undefined for any other token. */
export function expiryOf(token) {
  try {
    const body = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(body));
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

export class TokenSource {
  #source;
  #token;
  #onNew;
  #timer;
  #stopped = false;

  constructor(source, onNew) {
    this.#source = source;
    this.#onNew = onNew;
    if (typeof source === "string") this.#token = source;
  }

  /** True when asking again may give another token: then one refusal is no reason to give up. */
  renewable(failures) {
    return typeof this.#source === "function" && failures < 5;
  }

  async get() {
    if (typeof this.#source === "function") this.#keep(await this.#source());
    return this.#token;
  }

  set(token) {
    this.#keep(token);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #keep(token) {
    this.#token = token;
    clearTimeout(this.#timer);
    const expiry = typeof this.#source === "function" && token ? expiryOf(token) : undefined;
    if (expiry === undefined || this.#stopped) return;
    this.#timer = setTimeout(() => this.#renew(), Math.min(Math.max(expiry - Date.now() - kEarlyMs, 1_000), kMaxTimerMs));
  }

  async #renew() {
    try {
      const token = await this.#source();
      if (!this.#stopped && token && token !== this.#token) this.#onNew(token);
    } catch {
      // The old token holds until it expires; then the next connection asks again and tells the application.
    }
  }
}
