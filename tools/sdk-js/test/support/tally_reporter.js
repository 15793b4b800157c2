// Reports for tools/checks/tally.py: one JSON object a test, as meson writes them. Failures are explained on stderr.
import { basename } from "node:path";

export default async function* tally(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const file = basename(data.file ?? data.name);
    const isFile = data.nesting === 0 && /\.test\.js$/.test(data.name);
    if (data.details?.type === "suite" && !data.skip) continue;
    if (isFile && type === "test:pass") continue; // counted by its tests
    const result = data.skip !== undefined || data.todo !== undefined ? "SKIP" : type === "test:pass" ? "OK" : "FAIL";
    if (result === "FAIL") process.stderr.write(`${file}: ${data.name}\n${data.details?.error?.cause?.stack ?? data.details?.error}\n`);
    if (result === "SKIP") process.stderr.write(`${file}: ${data.name}: skipped, ${data.skip}\n`);
    yield `${JSON.stringify({ name: `${file}: ${data.name}`, result })}\n`;
  }
}
