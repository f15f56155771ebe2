/**
 * Takes the pictures of the dashboard for the documentation:
 * `deno run -A tools/chromium.ts && deno run -A tools/screenshots.ts`.
 *
 * @module
 */

import { startBrowser } from "../tests/browser/chromium.ts";
import { Dashboard } from "../tests/browser/dashboard.ts";

const WIDTH = 1_080;
const HEIGHT = 1_040;
const SECONDS = 45;

await using dashboard = await Dashboard.start();
await using browser = await startBrowser();
const page = await browser.open(dashboard.url);
const loaded = dashboard.load(SECONDS);
await page.until(
  `document.querySelector("#rate-line polyline")?.points.length >= ${SECONDS - 5}`,
);
for (const scheme of ["light", "dark"] as const) {
  await page.look(WIDTH, HEIGHT, scheme);
  const file = new URL(`../docs/images/dashboard-${scheme}.png`, import.meta.url);
  await Deno.mkdir(new URL("./", file), { recursive: true });
  await Deno.writeFile(file, await page.screenshot());
}
await loaded;
