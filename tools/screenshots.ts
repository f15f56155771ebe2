/**
 * Takes the pictures of the dashboard for the documentation:
 * `deno run -A tools/chromium.ts && deno run -A tools/screenshots.ts`.
 *
 * @module
 */

import { startBrowser } from "../tests/browser/chromium.ts";
import { Dashboard } from "../tests/browser/dashboard.ts";

const WIDTH = 1_080;
const HEIGHT = 1_080;

/** What happens before the pictures are taken: clients, and seconds for which they ask. */
const PAST = [[6, 20], [24, 6], [9, 30]] as const;

await using dashboard = await Dashboard.start("--delay=5", "--concurrency=4", "shout");
await using browser = await startBrowser();
const page = await browser.open(dashboard.url);
for (const [clients, seconds] of PAST) await dashboard.load(clients, seconds);
const loaded = dashboard.load(6, 40);
for (const scheme of ["light", "dark"] as const) {
  await page.look(WIDTH, HEIGHT, scheme);
  await page.until(
    `document.querySelectorAll("#clients tr").length === 6 &&
      document.querySelector("#waiting").textContent === "2" &&
      document.querySelector("#open").textContent === "4" &&
      document.querySelector("#rate-line polyline").points.length >= 75`,
  );
  const file = new URL(`../docs/images/dashboard-${scheme}.png`, import.meta.url);
  await Deno.mkdir(new URL("./", file), { recursive: true });
  await Deno.writeFile(file, await page.screenshot());
}
await loaded;
