// A local cluster as people run it: `tocsinctl up`, looked at only through cluster.json and its addresses.
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./inbox.js";

const kRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");
const kBin = resolve(process.env.TOCSIN_BIN || join(kRoot, "build/bin"));

export const program = (name) => join(kBin, name);

/** The reason why no cluster can run here, or false. */
export const noCluster = existsSync(program("tocsinctl")) ? false : `no programs in ${kBin}: run tools/dev build, or set TOCSIN_BIN`;

export async function startCluster(t, { edges = 2, config } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "tocsin-sdk-"));
  const file = join(dir, "cluster.json");
  const args = ["up", "--edges", String(edges), "--port", "0", "--dir", dir];
  if (config) {
    writeFileSync(join(dir, "config.yaml"), config);
    args.push("--config", join(dir, "config.yaml"));
  }
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TOCSIN_")));
  const out = openSync(join(dir, "up.out"), "a");
  const child = spawn(program("tocsinctl"), args, { stdio: ["ignore", out, out], env });
  closeSync(out);
  const ended = new Promise((done) => child.once("exit", done));
  t.after(async () => {
    child.kill("SIGTERM");
    const forced = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await ended;
    clearTimeout(forced);
    rmSync(dir, { recursive: true, force: true });
  });
  const info = () => JSON.parse(readFileSync(file, "utf8"));
  const ready = async () => {
    if (child.exitCode !== null) throw new Error(`tocsinctl up ended: ${readFileSync(join(dir, "up.out"), "utf8")}`);
    const replies = await Promise.all(info().edges.map((e) => fetch(`${e.http}/health/ready`)));
    return replies.every((r) => r.ok);
  };
  await until(ready, "the cluster to be ready", 60_000);
  return {
    file,
    edges: () => info().edges,
    urls: () => info().edges.map((e) => e.http),
    ready: () => until(ready, "the cluster to be ready again", 60_000),
    /** kill -9 of "broker" or "edge-N". */
    kill(which) {
      const entry = info()[which] ?? info().edges.find((e) => e.id === which);
      process.kill(entry.pid, "SIGKILL");
    },
  };
}

/** One update over HTTP, on whichever edge takes it; its position. A repetition has the same event_id, and so no effect. */
export async function publish(urls, update) {
  const body = JSON.stringify(update);
  return until(async () => {
    for (const url of urls()) {
      const reply = await fetch(`${url}/v1/updates`, { method: "POST", headers: { "content-type": "application/json" }, body }).catch(() => null);
      if (reply?.ok) return (await reply.json()).results[0].position;
    }
    return undefined;
  }, `publishing ${update.key}`);
}
