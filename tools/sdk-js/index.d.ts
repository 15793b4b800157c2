// Types of the SDK's public names, written by hand; test/types compiles against them.

export type Severity = "P0" | "P1" | "P2" | "P3" | "P4";
export type Status =
  | "detected" | "acknowledged" | "triaged" | "investigating" | "identified"
  | "remediating" | "monitoring" | "escalated" | "resolved" | "closed";

/** Where a stream is: offsets are dense within an epoch. */
export interface Position {
  epoch: string;
  offset: number;
}

/** PROTOCOL.md 1.4. The server may know more members than these. */
export interface Incident {
  id: string;
  title?: string;
  description?: string;
  severity?: Severity;
  status?: Status;
  category?: string;
  source?: string;
  environment?: string;
  affected_resources?: string[];
  labels?: Record<string, string>;
  assignees?: string[];
  team?: string;
  created_at?: string;
  updated_at?: string;
  acknowledged_at?: string;
  resolved_at?: string;
  closed_at?: string;
  version?: number;
  resolution?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  [member: string]: unknown;
}

/** Members are ANDed, lists ORed; an absent or empty member restricts nothing (PROTOCOL.md 3.2). */
export interface Filter {
  severity?: Severity[];
  status?: Status[];
  kind?: string[];
  category?: string[];
  source?: string[];
  environment?: string[];
  team?: string[];
  incident?: string[];
  labels?: Record<string, string[]>;
  active?: boolean;
}

export interface Update {
  offset: number;
  epoch: string;
  channel: string;
  event_id: string;
  kind: string;
  key: string;
  at: string;
  actor?: string;
  changed?: string[];
  /** Older offsets that this update stands for: the client was behind. */
  replaces?: number[];
  incident?: Incident;
  event?: { name: string; data?: unknown };
}

/** In the place of updates that `for await` was too slow for. */
export interface Overflow {
  type: "overflow";
  dropped: number;
}

export interface Draft {
  channel?: string;
  event_id?: string;
  kind: string;
  key: string;
  at?: string;
  actor?: string;
  incident?: Partial<Incident>;
  event?: { name: string; data?: unknown };
  if_version?: number;
}

export interface Published {
  channel: string;
  position: Position;
  durability?: "memory" | "disk" | "quorum";
  duplicate: boolean;
  event_id?: string;
  version?: number;
}

export class TocsinError extends Error {
  constructor(code: string, message: string, more?: { status?: number; retry?: "never" | "backoff" | "resync" });
  /** PROTOCOL.md section 7, `close_<code>` for a connection that ended for good, or `closed`. */
  code: string;
  status: number;
  retry: "never" | "backoff" | "resync";
}

export type Change =
  | { type: "reset" }
  | { type: "set"; id: string; incident: Incident; previous?: Incident }
  | { type: "remove"; id: string; incident: Incident; previous?: Incident };

/** Incidents by id, at most `max` of them; ended ones go first when it is full. */
export class Store implements Iterable<Incident> {
  private constructor();
  readonly max: number;
  readonly size: number;
  readonly evicted: number;
  get(id: string): Incident | undefined;
  has(id: string): boolean;
  list(where?: (incident: Incident) => boolean): Incident[];
  [Symbol.iterator](): Iterator<Incident>;
}

export interface SubscriptionEvents {
  /** Each offset once, however many sockets brought it. */
  update: Update;
  /** The store changed; `reset`: it was filled anew by a snapshot. */
  change: Change;
  snapshot: { size: number; position: Position };
  /** The stream could not be resumed; a snapshot is on its way. */
  resync: { reason: string; from: Position | null; to: Position };
  /** Updates between the two positions will not come. */
  lost: { reason: string; from: Position | null; to: Position };
  /** Something is missing on the way; it is being asked for again. */
  gap: { after: Position; before: number };
  state: "pending" | "live" | "resuming" | "closed";
  error: TocsinError;
  close: TocsinError | undefined;
}

export interface SubscribeOptions {
  id?: string;
  /** `incidents` if absent. */
  channel?: string;
  filter?: Filter;
  /** Start with the current state: yes, unless `since` is given. */
  snapshot?: boolean;
  /** Go on after a position that an earlier process kept. */
  since?: Position;
  conflate?: boolean;
  /** Each incident comes at most this often a second; the newest state wins. */
  maxRate?: number;
}

export class Subscription implements AsyncIterable<Update | Overflow> {
  private constructor();
  readonly id: string;
  readonly channel: string;
  readonly filter?: Filter;
  readonly state: SubscriptionEvents["state"];
  readonly store: Store;
  readonly position: Position | null;
  readonly ready: Promise<Subscription>;
  on<K extends keyof SubscriptionEvents>(name: K, handler: (value: SubscriptionEvents[K]) => void): () => void;
  once<K extends keyof SubscriptionEvents>(name: K): Promise<SubscriptionEvents[K]>;
  updates(options?: { max?: number }): AsyncIterableIterator<Update | Overflow>;
  [Symbol.asyncIterator](): AsyncIterator<Update | Overflow>;
  close(): void;
}

export type StateChange =
  | { state: "connecting"; url?: string; transport?: string }
  | { state: "open"; edge: string | null; transport: "websocket" | "sse"; resumed: boolean; moved: boolean }
  | { state: "waiting"; delay: number; code: number; reason: string }
  | { state: "moving"; url: string }
  | { state: "closed"; error?: TocsinError };

export interface ClientEvents {
  state: StateChange;
  migrating: { url: string; delay: number; deadline: number };
  disconnect: { code: number; reason: string; dictated?: number };
  warning: TocsinError;
  error: TocsinError;
  close: TocsinError | undefined;
}

export interface ClientOptions {
  /** A function is asked for each connection, and before a JWT expires. */
  token?: string | (() => string | Promise<string>);
  transport?: "auto" | "websocket" | "sse";
  /** Attempts by WebSocket before SSE is tried. */
  sseAfter?: number;
  /** On SSE: how often a WebSocket is tried again. */
  wsProbeMs?: number;
  /** A connection that held this long forgets earlier failures. */
  stableMs?: number;
  /** The longest backoff of our own; what the server dictates is not cut. */
  maxDelayMs?: number;
  maxIncidents?: number;
  maxQueue?: number;
  maxHoles?: number;
  maxPublishes?: number;
  WebSocket?: new (url: string, protocol: string) => any;
  fetch?: typeof fetch;
}

export class Client {
  constructor(endpoints: string | string[], options?: ClientOptions);
  readonly state: StateChange["state"];
  readonly connection: { edge: string | null; session: string | null; transport: "websocket" | "sse" | null; url: string | null };
  on<K extends keyof ClientEvents>(name: K, handler: (value: ClientEvents[K]) => void): () => void;
  once<K extends keyof ClientEvents>(name: K): Promise<ClientEvents[K]>;
  subscribe(options?: SubscribeOptions): Subscription;
  publish(update: Draft): Promise<Published>;
  refresh(token: string): void;
  close(): void;
}

/** Connects to an edge, or to the first of several that answers. */
export function connect(endpoints: string | string[], options?: ClientOptions): Client;
