// Chromium by playwright-core, both optional: a machine without them skips, and says which is missing.
import { existsSync } from "node:fs";

const kChromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => existsSync(path));
const playwright = await import("playwright-core").catch(() => null);

/** The reason why there is no browser, or false. */
export const noBrowser = !playwright ? "playwright-core is not installed (npm ci)" : !kChromium ? "chromium is not installed" : false;

export async function openBrowser(t) {
  const browser = await playwright.chromium.launch({ executablePath: kChromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
  t.after(() => browser.close());
  return browser;
}

/** A page, and everything that its console said was wrong. */
export async function openPage(browser, url) {
  const page = await browser.newPage({ viewport: { width: 1360, height: 760 }, deviceScaleFactor: 1 });
  page.setDefaultTimeout(40_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(url);
  return { page, errors };
}
