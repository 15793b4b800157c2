// The public names of the SDK. Everything else is internal.
export { Client, connect } from "./client.js";
export { Store } from "./store.js";
export { Subscription } from "./subscription.js";
export { TocsinError } from "./error.js";
