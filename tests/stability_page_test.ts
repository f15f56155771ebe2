/** docs/stability.md tells what was never seen on Windows: all that is skipped under Wine. */

import { assertEquals } from "@std/assert";
import skipped from "./windows/skipped_under_wine.json" with { type: "json" };

const page = await Deno.readTextFile(new URL("../docs/stability.md", import.meta.url));

Deno.test("docs/stability.md lists the tests that are skipped under Wine, and why", () => {
  const [, part = ""] = /^## What was never seen on Windows\n(.*?)^## /ms.exec(page) ?? [];
  const rows = [...part.matchAll(/^\| +(.*?) +\| +(.*?) +\|$/gm)].slice(1);
  const listed = rows.map(([, test, why]) => [test, why]).filter(([test]) =>
    !/^-+$/.test(`${test}`)
  );
  assertEquals(listed, Object.entries(skipped));
});
