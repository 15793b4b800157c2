// Addresses: one endpoint, as people write it, to the URLs of the stream, of events and of HTTP. Pure.

/** Takes ws:, wss:, http: or https:, with or without /v1/stream; any other path is kept as a prefix. */
export function endpointOf(text) {
  const url = new URL(text);
  const secure = url.protocol === "wss:" || url.protocol === "https:";
  if (!secure && url.protocol !== "ws:" && url.protocol !== "http:") throw new TypeError(`not a ws, wss, http or https URL: ${text}`);
  const base = `${url.host}${url.pathname.replace(/\/(v1\/stream\/?)?$/, "")}`;
  return { ws: `ws${secure ? "s" : ""}://${base}/v1/stream`, http: `http${secure ? "s" : ""}://${base}` };
}

/** The filter as the query of /v1/events and /v1/incidents (PROTOCOL.md 6.2). */
export function appendFilter(query, filter = {}) {
  const list = (name, values) => {
    if (!values || values.length === 0) return;
    if (values.some((v) => v.includes(","))) throw new TypeError(`a value of "${name}" with a comma cannot be asked for over HTTP`);
    query.set(name, values.join(","));
  };
  for (const [name, value] of Object.entries(filter)) {
    if (name === "labels") for (const [label, values] of Object.entries(value)) list(`label.${label}`, values);
    else if (name === "active") value && query.set("active", "true");
    else list(name, value);
  }
}

/** Ids of our own: unique, not secret. */
export function makeId() {
  if (globalThis.crypto?.randomUUID) return globalThis.crypto.randomUUID();
  const word = () => Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, "0");
  return `${Date.now().toString(16)}-${word()}${word()}${word()}`;
}
