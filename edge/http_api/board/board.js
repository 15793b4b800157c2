// The incident board: what is open, by severity, and how the connection under it fares. Everything that comes from outside is
// shown as text, never as markup.
//
// /?channel=NAME shows another channel. A token goes behind the hash (/#token=...), which browsers do not send to servers.
import { connect } from "./sdk/index.js";

const kSeverities = ["P0", "P1", "P2", "P3", "P4"];
const kMaxCards = 40; // a column; the rest is counted
const kMaxFeed = 40;
const kMaxStory = 6;
const kFrameMs = 200; // a busy stream is drawn this often
const kOther = "P4"; // the column of incidents without a severity

const $ = (id) => document.getElementById(id);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const columns = new Map(
  kSeverities.map((severity) => {
    const box = element("div", "column");
    box.dataset.severity = severity;
    box.style.setProperty("--tint", `var(--${severity.toLowerCase()})`);
    const title = box.appendChild(element("h2", "", severity));
    const count = title.appendChild(element("span", "", "0"));
    const list = box.appendChild(element("ul"));
    const more = box.appendChild(element("div", "more"));
    $("columns").append(box);
    return [severity, { list, count, more }];
  }),
);
const columnOf = (incident) => (columns.has(incident.severity) ? incident.severity : kOther);

// Cards

const cards = new Map(); // incident id -> {card, severity, shown}
const news = new Set(); // ids that changed since the last drawing

function fill(card, incident) {
  const about = [incident.team, incident.id].filter(Boolean).join(" · ");
  card.replaceChildren(element("b", "", incident.title || incident.id), element("span", "status", incident.status ?? "?"), element("small", "", about));
}

function cardOf(incident) {
  const severity = columnOf(incident);
  let known = cards.get(incident.id);
  if (!known) {
    known = { card: element("li", "card"), severity, shown: null };
    known.card.dataset.id = incident.id;
    cards.set(incident.id, known);
  }
  if (known.shown !== incident) fill(known.card, incident);
  if (known.shown && known.severity !== severity) news.add(incident.id);
  Object.assign(known, { severity, shown: incident });
  return known.card;
}

function draw(store) {
  const wanted = new Map(kSeverities.map((severity) => [severity, []]));
  for (const incident of store) wanted.get(columnOf(incident)).push(incident);
  const used = new Set();
  for (const [severity, incidents] of wanted) {
    const { list, count, more } = columns.get(severity);
    const shown = incidents.slice(-kMaxCards).reverse(); // what changed last is on top
    shown.forEach((incident, at) => {
      const card = cardOf(incident);
      used.add(incident.id);
      if (list.children[at] !== card) list.insertBefore(card, list.children[at] ?? null);
      if (news.has(incident.id)) flash(card);
    });
    while (list.children.length > shown.length) list.lastChild.remove();
    count.textContent = incidents.length;
    more.textContent = incidents.length > shown.length ? `and ${incidents.length - shown.length} more` : "";
  }
  for (const id of cards.keys()) if (!used.has(id)) cards.delete(id);
  news.clear();
  $("open").textContent = store.size;
}

function flash(card) {
  card.classList.remove("news");
  void card.offsetWidth; // starts the animation anew
  card.classList.add("news");
}

// The lists at the side

function append(list, text, max) {
  const line = element("li");
  const now = new Date();
  const time = line.appendChild(element("time", "", now.toLocaleTimeString([], { hour12: false })));
  time.dateTime = now.toISOString();
  line.append(text);
  list.prepend(line);
  while (list.children.length > max) list.lastChild.remove();
}

const tell = (text) => append($("story"), text, kMaxStory);

function tellUpdate({ kind, key, incident }) {
  const { severity, status, title } = incident ?? {};
  append($("feed"), [severity, title || key, kind.replace("_", " "), status && status !== kind ? status : ""].filter(Boolean).join(" · "), kMaxFeed);
}

// The connection

const seen = { edge: null, updates: 0, reconnects: 0, moves: 0, cutAt: 0 };

function showState(text, where, state) {
  $("connection").dataset.state = state;
  $("state").textContent = text;
  $("where").textContent = where;
}

function opened({ edge, transport, resumed, moved }) {
  showState("live", `on ${edge}${transport === "sse" ? ", events over HTTP" : ""}`, "open");
  if (moved) {
    $("moves").textContent = seen.moves += 1;
    tell(`moved from ${seen.edge} to ${edge}, without a break`);
  } else if (seen.edge) {
    $("reconnects").textContent = seen.reconnects += 1;
    tell(`back on ${edge} after ${((Date.now() - seen.cutAt) / 1000).toFixed(1)} s, ${resumed ? "resumed" : "from the last position"}`);
  } else {
    tell(`connected to ${edge}`);
  }
  Object.assign(seen, { edge, cutAt: 0 });
}

function onState(change) {
  const { state } = change;
  if (state === "open") return opened(change);
  if (state === "moving") return showState("moving", `from ${seen.edge}`, state);
  if (state === "closed") return showState("closed", change.error?.message ?? "", state);
  if (state === "connecting") return showState("connecting", "", state);
  if (!seen.cutAt) tell(`cut${change.reason ? `: ${change.reason}` : ""}; again in ${(change.delay / 1000).toFixed(1)} s`); // not each try
  seen.cutAt ||= Date.now();
  return showState("reconnecting", `in ${(change.delay / 1000).toFixed(1)} s`, state);
}

// Together

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
const channel = new URLSearchParams(location.search).get("channel") || "incidents";
const client = connect(new URL(".", location.href.split(/[?#]/)[0]).href, { token });
const open = client.subscribe({ channel, filter: { active: true } });

let drawing = null;
const drawSoon = () => {
  drawing ??= setTimeout(() => {
    drawing = null;
    draw(open.store);
    $("updates").textContent = seen.updates;
    $("position").textContent = open.position?.offset ?? "-";
  }, kFrameMs);
};

client.on("state", onState);
client.on("migrating", ({ url }) => tell(`the server asks to move to ${url}`));
open.on("update", (update) => {
  seen.updates += 1;
  tellUpdate(update);
});
open.on("change", (change) => {
  if (change.id) news.add(change.id);
  drawSoon();
});
open.on("resync", ({ reason }) => tell(`the state was fetched anew: ${reason}`));
open.on("error", (error) => tell(`subscription: ${error.message}`));
