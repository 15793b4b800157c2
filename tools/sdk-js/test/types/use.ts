// Compiled, never run: the public names as an application uses them.
import { connect, type Incident, type Overflow, type Position, TocsinError, type Update } from "../../index";

const client = connect(["wss://a.example", "wss://b.example"], { token: async () => "t", maxIncidents: 100 });
const off: () => void = client.on("state", (s) => {
  if (s.state === "waiting") s.delay.toFixed();
  // @ts-expect-error: only a waiting client has a delay
  if (s.state === "open") s.delay.toFixed();
});
off();

const sub = client.subscribe({ filter: { severity: ["P0", "P1"], labels: { service: ["api"] }, active: true } });
// @ts-expect-error: there is no P9
client.subscribe({ filter: { severity: ["P9"] } });
sub.on("change", (c) => {
  if (c.type !== "reset") console.log(c.incident.title, c.previous?.status);
});
const position: Position | null = sub.position;
const worst: Incident[] = sub.store.list((i) => i.severity === "P0");

export async function run(): Promise<void> {
  await sub.ready;
  for await (const item of sub) {
    const u: Update | Overflow = item;
    if ("offset" in u) console.log(u.offset, u.incident?.title, position, worst.length);
  }
  const { position: at } = await client.publish({ kind: "created", key: "x", incident: { title: "t" } });
  console.log(at.offset);
  try {
    client.refresh("other");
  } catch (error) {
    if (error instanceof TocsinError && error.retry === "backoff") client.close();
  }
}
