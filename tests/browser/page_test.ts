/** The page of the dashboard in a browser, with a server that only says what there would be. */

import { assert, assertEquals } from "@std/assert";
import type { Snapshot } from "../../examples/dashboard/observer.ts";
import { servePage } from "../../examples/dashboard/web.ts";
import { unusedStats } from "../../src/server/stats.ts";
import { browserTest, type Page } from "./chromium.ts";

const HOSTILE = '<img src="x" onerror="document.title = 1"><b>bold</b>';

const stats = unusedStats(true);
const SNAPSHOT: Snapshot = {
  path: `\\\\.\\pipe\\${HOSTILE}`,
  now: 90_061_000,
  stats: {
    ...stats,
    listening: 4,
    clients: 9,
    open: 3,
    waiting: 2,
    accepted: 12,
    requests: 1_234_567,
    bytesIn: 9_876_543_210,
    since: 0,
    ended: { ...stats.ended, peer: 2, maxQueued: 1 },
    latency: { count: 1_234_567, mean: 0.4, p50: 0.25, p90: 0.75, p99: 12.5, max: 1_500 },
  },
  samples: [{ exchanges: 500, latency: 0.5 }, { exchanges: 0, latency: undefined }, {
    exchanges: 1_000,
    latency: 0.25,
  }],
  clients: Array.from({ length: 7 }, (_, i) => ({
    id: i + 1,
    user: i === 0 ? HOSTILE : undefined,
    processId: 100 + i,
    executable: `C:\\Program Files\\${HOSTILE}.exe`,
    age: 3_723_000,
    requests: 1_000,
    bytesIn: 64_000,
    bytesOut: 64_000,
  })),
  ends: [
    { time: 90_060_000, reason: "peer", count: 2, client: 11 },
    { time: 90_000_000, reason: "maxQueued", count: 1, client: 3 },
  ],
};

/** Runs a test with a page that shows a snapshot, which may change. */
function pageTest(
  name: string,
  body: (page: Page, change: (snapshot: Snapshot) => void) => Promise<void>,
): void {
  browserTest(`dashboard: ${name}`, async (browser) => {
    let shown = SNAPSHOT;
    const served = servePage(0, () => shown);
    try {
      const page = await browser.open(served.url);
      await page.until(`document.querySelector("#status")?.textContent === "Live"`);
      await body(page, (snapshot) => {
        shown = snapshot;
        served.update();
      });
      assertEquals(page.errors, []);
    } finally {
      await served.close();
    }
  });
}

pageTest("it shows what it is sent, and nothing of that as HTML", async (page) => {
  const texts = await page.evaluate<Record<string, string>>(`
    Object.fromEntries([...document.querySelectorAll("[data-stat], [data-latency], main [id]")]
      .map((element) => [
        element.dataset.stat ?? element.dataset.latency ?? "#" + element.id,
        element.textContent,
      ]))`);
  const expected = {
    clients: "9",
    requests: "1,234,567",
    open: "3",
    bytesIn: "9,876,543,210",
    p50: "0.25 ms",
    p99: "13 ms",
    max: "1,500 ms",
    "#listening": "4",
    "#idle": "4",
    "#open": "3",
    "#waiting": "2",
    "#rate": "1,000",
    "#rate-most": "1,000",
    "#latency": "0.25",
    "#latency-most": "0.50",
    "#more": "and 2 more",
    "#reasons": "peer2maxQueued1",
  };
  for (const [name, text] of Object.entries(expected)) assertEquals(texts[name], text, name);
  assertEquals(await page.text("#path"), SNAPSHOT.path);
  assertEquals(await page.text("#uptime"), "up for 25 h 1 min");
  assertEquals(await page.evaluate("document.title"), SNAPSHOT.path);
  assertEquals(
    await page.evaluate(
      "[...document.querySelector('#clients tr').cells].map((c) => c.textContent)",
    ),
    ["1", HOSTILE, "100", `${HOSTILE}.exe`, "1 h 2 min", "1,000", "64,000", "64,000"],
  );
  const count = (selector: string) =>
    page.evaluate<number>(`document.querySelectorAll("${selector}").length`);
  assertEquals([await count("img"), await count("b"), await count("#grid .cell")], [0, 0, 13]);
  assertEquals(
    await page.evaluate(`document.querySelector("#rate-line polyline").getAttribute("points")`),
    "589.9,60.0 595.0,118.0 600.0,2.0",
  );
});

pageTest(
  "ends are added as they happen, and lines that stay are left alone",
  async (page, change) => {
    await page.evaluate(`window.first = document.querySelector("#ends li")`);
    const [latest, ...ends] = SNAPSHOT.ends;
    assert(latest !== undefined);
    const more = { ...latest, count: 3 };
    const next = { time: 90_061_000, reason: "error", count: 1, client: 12 } as const;
    change({ ...SNAPSHOT, ends: [next, more, ...ends] });
    await page.until(`document.querySelectorAll("#ends li").length === 3`);
    const lines = await page.evaluate<string[]>(
      `[...document.querySelectorAll("#ends li")].map((line) => line.textContent.slice(10))`,
    );
    assertEquals(lines, ["error: client 12", "peer: 3 clients", "maxQueued: client 3"]);
    assert(await page.evaluate(`document.querySelectorAll("#ends li")[1] === window.first`));
  },
);

pageTest(
  "by keyboard: everything that scrolls can be reached, and it can be paused",
  async (page, change) => {
    await page.press("Tab");
    assertEquals(await page.evaluate("document.activeElement.id"), "pause");
    await page.press("Enter");
    await page.until(`document.querySelector("#status").textContent === "Paused"`);
    change({ ...SNAPSHOT, stats: { ...SNAPSHOT.stats, requests: 8 } });
    assertEquals(await page.text("[data-stat=requests]"), "1,234,567");
    await page.press("Enter");
    await page.until(`document.querySelector("[data-stat=requests]").textContent === "8"`);
    const reached = ["pause"];
    for (let i = 0; i < 2; i++) {
      await page.press("Tab");
      reached.push(
        await page.evaluate(
          "document.activeElement.id || document.activeElement.getAttribute('role')",
        ),
      );
    }
    assertEquals(reached, ["pause", "region", "ends"]);
  },
);

interface Node {
  readonly ignored: boolean;
  readonly role: { readonly value: string };
  readonly name?: { readonly value: string };
}

pageTest("to a screen reader everything has a role and a name", async (page) => {
  const { nodes } = await page.call("Accessibility.getFullAXTree") as { nodes: readonly Node[] };
  const named = new Set(
    nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role.value} ${name?.value}`),
  );
  const expected = [
    `heading ${SNAPSHOT.path}`,
    "button Pause",
    "main ",
    "region Numbers",
    "region Instances",
    "image 4 listening, 4 idle, 3 being answered, 2 waiting",
    "image 1,000 now, at most 1,000 in 2 minutes",
    "image 0.25 ms now, at most 0.50 ms in 2 minutes",
    "table ",
    "columnheader Process",
    "log Connections as they end",
  ];
  for (const one of expected) assert(named.has(one), `${one}: ${[...named].join("; ")}`);
  assert([...named].some((one) => one.startsWith("status")));
});

/** The lowest contrast of a text with what is behind it, and whose it is. */
const LOWEST_CONTRAST = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e !== null; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  let lowest = { contrast: 99, of: "" };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() === "" || !element.checkVisibility()) continue;
    if (element.closest("svg") !== null) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < lowest.contrast) lowest = { contrast, of: element.outerHTML.slice(0, 100) };
  }
  return lowest;
})()`;

for (const scheme of ["light", "dark"] as const) {
  pageTest(`it can be read in ${scheme}, on a desk and on a phone`, async (page) => {
    for (const width of [1_280, 360]) {
      await page.look(width, 800, scheme);
      const { contrast, of } = await page.evaluate<{ contrast: number; of: string }>(
        LOWEST_CONTRAST,
      );
      assert(contrast >= 4.5, `${contrast.toFixed(2)}: ${of}`);
      const wide = await page.evaluate<number>("document.documentElement.scrollWidth");
      assert(wide <= width, `${wide} pixels`);
    }
    const background = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    assertEquals(background, scheme === "dark" ? "rgb(13, 17, 23)" : "rgb(246, 248, 250)");
  });
}
