// What `npm pack` would ship: complete, importable by its name, and typed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const kHere = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const manifest = JSON.parse(readFileSync(join(kHere, "package.json"), "utf8"));
const kModules = join(kHere, "node_modules");
const kTsc = join(kModules, "typescript/bin/tsc");
const npm = spawnSync("npm", ["--version"], { encoding: "utf8" });

test("the files named in package.json make a package that imports", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "tocsin-pack-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const home = join(dir, "node_modules", manifest.name);
  mkdirSync(home, { recursive: true });
  for (const file of [...manifest.files, "package.json"]) cpSync(join(kHere, file), join(home, file), { recursive: true });
  writeFileSync(join(dir, "use.mjs"), `import * as sdk from "${manifest.name}"; console.log(Object.keys(sdk).sort().join());`);
  const run = spawnSync(process.execPath, ["use.mjs"], { cwd: dir, encoding: "utf8" });
  assert.equal(run.stdout.trim(), "Client,Store,Subscription,TocsinError,connect", run.stderr);
});

test("nothing is depended on, and only node_socket.js needs Node", () => {
  assert.equal(manifest.dependencies, undefined);
  for (const file of readdirSync(join(kHere, "src"))) {
    const text = readFileSync(join(kHere, "src", file), "utf8");
    if (file !== "node_socket.js") assert.doesNotMatch(text, /from "node:|require\(|\bprocess\.[a-z]/, file);
  }
});

test("npm pack ships these files", { skip: npm.status === 0 ? false : "no npm here" }, () => {
  const run = spawnSync("npm", ["pack", "--dry-run", "--json", "--offline"], { cwd: kHere, encoding: "utf8" });
  const files = JSON.parse(run.stdout)[0].files.map((f) => f.path);
  for (const wanted of ["package.json", "README.md", "LICENSE", "index.d.ts", "src/index.js"]) assert.ok(files.includes(wanted), wanted);
  assert.ok(!files.some((f) => f.startsWith("test/")));
});

test("the types compile, strictly", { skip: existsSync(kTsc) ? false : `no typescript in ${kModules}` }, () => {
  const run = spawnSync(process.execPath, [kTsc, "-p", join(kHere, "test/types")], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stdout);
});
