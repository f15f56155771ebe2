/** The dashboard in the Windows build, in a browser, with a load on it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Snapshot } from "../../examples/dashboard/observer.ts";
import { browserTest } from "./chromium.ts";
import { Dashboard } from "./dashboard.ts";

browserTest("dashboard: the numbers on the page are those of stats()", async (browser) => {
  await using dashboard = await Dashboard.start(`dashboard-${crypto.randomUUID()}`);
  const page = await browser.open(dashboard.url);
  await page.until(`document.querySelector("#status")?.textContent === "Live"`);
  assertMatch(await page.text("#path"), /^\\\\\.\\pipe\\dashboard-/);
  assertEquals(await page.text("#listening"), "4");

  const loaded = dashboard.load(3, 4);
  await page.until(`document.querySelectorAll("#clients tr").length === 3 &&
    Number(document.querySelector("#rate").textContent.replaceAll(",", "")) > 0`);
  const cells = `[...document.querySelector("#clients tr").cells].map((c) => c.textContent)`;
  await page.until(`(${cells})[1] !== "unknown"`);
  const [id, , processId, program, age] = await page.evaluate<string[]>(cells);
  assertEquals([id, program], ["1", "deno.exe"]);
  assertMatch(processId ?? "", /^\d+$/);
  assertMatch(age ?? "", /^\d s$/);
  // The lines move.
  await page.until(`document.querySelector("#rate-line polyline").points.length >= 4`);
  const { requests } = await loaded;
  await page.until(`document.querySelectorAll("#clients tr").length === 0`);

  const snapshot: Snapshot = await (await fetch(`${dashboard.url}snapshot`)).json();
  const { stats } = snapshot;
  // The last request of each client was cut off.
  assert(stats.requests >= requests && stats.requests <= requests + 3, `${stats.requests}`);
  const shown = await page.evaluate<Record<string, string>>(`
    Object.fromEntries([...document.querySelectorAll("[data-stat]")]
      .map((element) => [element.dataset.stat, element.textContent.replaceAll(",", "")]))`);
  const numbers = Object.entries(stats).filter(([name]) => name in shown);
  assertEquals(shown, Object.fromEntries(numbers.map(([name, number]) => [name, `${number}`])));
  assertEquals(Object.keys(shown).length, 13);
  assertEquals(await page.text("#reasons"), "peer3");
  assertMatch(await page.text("#ends"), /peer: (?:client \d|3 clients)/);
  assertEquals(page.errors, []);
});
