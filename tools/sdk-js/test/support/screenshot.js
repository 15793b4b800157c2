// Takes the README's picture anew: node tools/sdk-js/test/support/screenshot.js OUT.png (edge/http_api/board/board.png)
// A cluster with the demo's stream, the board on it, and an edge that is killed and comes back meanwhile.
import { spawn } from "node:child_process";
import { openBrowser, openPage } from "./browser.js";
import { program, startCluster } from "./cluster.js";

const cleanups = [];
const scope = { after: (action) => cleanups.unshift(action) };
try {
  const cluster = await startCluster(scope);
  const demo = spawn(program("tocsinctl"), ["--cluster", cluster.file, "demo", "--rate", "6"], { stdio: "ignore" });
  scope.after(() => demo.kill());
  const { page } = await openPage(await openBrowser(scope), cluster.urls()[0]);
  await page.waitForFunction(() => Number(document.getElementById("updates").textContent) > 60);
  cluster.kill("edge-0");
  await page.waitForFunction(() => document.getElementById("reconnects").textContent === "1");
  const seen = Number(await page.textContent("#updates"));
  await page.waitForFunction((n) => Number(document.getElementById("updates").textContent) > n + 20, seen);
  await page.screenshot({ path: process.argv[2] });
} finally {
  for (const action of cleanups) await action();
}
