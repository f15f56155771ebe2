/** The documentation leads where it says, and says what the code does. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { systemError, WindowsError } from "../src/kernel/errors.ts";
import { concurrencyLimit, serverSettings } from "../src/options/server_settings.ts";
import { Page, readPage, readPages, ROOT } from "./docs/page.ts";

const pages = new Map((await readPages()).map((page) => [page.path, page]));

/** What is wrong with a link; undefined: nothing. */
async function complaint(page: Page, link: string): Promise<string | undefined> {
  if (/^[a-z]+:/.test(link)) return undefined;
  const { pathname, hash } = new URL(link, new URL(page.path, ROOT));
  const path = decodeURIComponent(pathname).slice(decodeURIComponent(ROOT.pathname).length);
  const target = pages.get(path);
  if (target === undefined) {
    const exists = await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
    return exists && hash === "" ? undefined : `${page.path}: ${link}`;
  }
  const anchored = hash === "" || target.anchors.has(decodeURIComponent(hash.slice(1)));
  return anchored ? undefined : `${page.path}: ${link}`;
}

Deno.test("a page's anchors are GitHub's, its links those outside of code", () => {
  const page = new Page(
    "docs/x.md",
    "# A `b`: [c](d.md)\n## C\n## C#\n```md\n# no\n[no](no.md)\n```\n`[no](no)` [e](#c-1)\n\n[f]: g.md\n",
  );
  assertEquals([...page.anchors], ["a-b-c", "c", "c-1"]);
  assertEquals(page.links, ["d.md", "#c-1", "g.md"]);
  assertEquals(page.snippet("md", "no.md"), "# no\n[no](no.md)\n");
  assertThrows(() => page.snippet("ts", "no.md"), Error, "0 programs");
});

Deno.test("the links of all pages lead to files and headings that exist", async () => {
  const complaints = await Promise.all(
    [...pages.values()].flatMap((page) => page.links.map((link) => complaint(page, link))),
  );
  assertEquals(complaints.filter((text) => text !== undefined), []);
});

Deno.test("the index of the documentation has every page once", async () => {
  const { links } = await readPage("docs/README.md");
  const listed = links.filter((link) => /^[a-z_]+\.md$/.test(link)).map((link) => `docs/${link}`);
  const existing = [...pages.keys()]
    .filter((path) => path.startsWith("docs/") && path !== "docs/README.md");
  assertEquals(listed.toSorted(), existing);
});

Deno.test("the index of the documentation has every example once", async () => {
  const { links } = await readPage("docs/README.md");
  const listed = links.flatMap((link) => /^\.\.\/examples\/(.+)$/.exec(link)?.[1] ?? []);
  const existing: string[] = [];
  for await (const { name, isFile } of Deno.readDir(new URL("examples/", ROOT))) {
    if (isFile) existing.push(name);
  }
  assertEquals(listed.toSorted(), existing.toSorted());
});

Deno.test("the Windows error codes are thrown as the classes that the page names", async () => {
  const { rows } = await readPage("docs/troubleshooting.md");
  const codes = rows.map(([code = "", ...row]) => [code.replace(/\[(\d+)\].*/, "$1"), ...row])
    .filter(([code = "", ...row]) => /^\d+$/.test(code) && row.length === 2);
  assert(codes.length > 25);
  for (const [code = "", name = "", Class = ""] of codes) {
    const error = systemError("Cannot connect to", "CreateFileW", "x", Number(code));
    if (Class !== "-") {
      assertEquals([code, error.constructor.name], [code, Class.replaceAll("`", "")]);
    }
    const windows = error instanceof WindowsError ? error : error.cause;
    assertInstanceOf(windows, WindowsError);
    // Rare ones have no name here.
    if (windows.symbol === `ERROR_${code}`) continue;
    assertEquals([code, windows.symbol], [code, name.replaceAll("`", "")]);
  }
});

/** The number of a cell such as "16 MiB", "30,000" or "none". */
function numberOf(cell: string): number {
  const [, digits = "", unit = ""] = /^([\d,]+)(?: (KiB|MiB))?$/.exec(cell) ?? [];
  if (cell === "none") return Infinity;
  const factor = { "": 1, KiB: 1024, MiB: 1024 * 1024 }[unit] ?? NaN;
  return Number(digits.replaceAll(",", "")) * factor;
}

Deno.test("the limits have the defaults that the page names", async () => {
  const { rows } = await readPage("docs/limits.md");
  const defaults = new Map<string, unknown>(Object.entries(serverSettings({ path: "x" })));
  defaults.set("concurrency", concurrencyLimit(undefined, "concurrency"));
  const named = rows.map(([name = "", cell = ""]) => [name.replaceAll("`", ""), cell] as const)
    .filter(([name]) => defaults.has(name));
  assertEquals(named.length, 12);
  for (const [name, cell] of named) assertEquals<unknown>(numberOf(cell), defaults.get(name), name);
});
