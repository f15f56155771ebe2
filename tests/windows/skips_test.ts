/** The list of what is skipped under Wine, and the sources: each says all that the other does. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { windowsTest } from "../win32/environment.ts";
import skipped from "./skipped_under_wine.json" with { type: "json" };

/** Other ways to leave tests out, which would not be listed. */
const UNLISTED =
  /\bignore\b["']?\s*[:,}=(]|\bDeno\.test\.\w+|\bonly:|\bisWine\(\)[^\n{;]*\)\s*\{?\s*return\b/g;

windowsTest("the list of skips and the tests that are skipped are the same", async () => {
  const listed: string[] = [];
  const unlisted: string[] = [];
  for await (const { name } of Deno.readDir(new URL("./", import.meta.url))) {
    if (!name.endsWith("_test.ts") || import.meta.url.endsWith(name)) continue;
    const source = await Deno.readTextFile(new URL(name, import.meta.url));
    for (const [, test = "?"] of source.matchAll(/\bnotUnderWine\b(?:\(\s*"([^"]+)")?/g)) {
      listed.push(test);
    }
    unlisted.push(...[...source.matchAll(UNLISTED)].map(([found]) => `${name}: ${found}`));
  }
  assertEquals(unlisted, []);
  assertEquals(listed.toSorted(), Object.keys(skipped).toSorted());
});

windowsTest("every skip has a reason", () => {
  for (const [name, reason] of Object.entries(skipped)) assertNotEquals(reason.trim(), "", name);
});
