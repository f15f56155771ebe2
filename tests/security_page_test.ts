/** SECURITY.md names tests: they exist, and those that it says Wine cannot show are skipped there. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import skipped from "./windows/skipped_under_wine.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);
const page = await Deno.readTextFile(new URL("SECURITY.md", ROOT));

interface Named {
  readonly file: string;
  /** A part of its name. */
  readonly test: string | undefined;
  readonly onlyOnWindows: boolean;
}

/** What the last column of the table names: files, each perhaps with tests. */
function namedTests(): Named[] {
  const named: Named[] = [];
  for (const row of page.split("\n").filter((line) => line.startsWith("| **"))) {
    const proof = row.split("|").at(-2) ?? "";
    for (const [, file = "", tests = ""] of proof.matchAll(/`([\w/]+\.ts)`([^`]*)/g)) {
      const found = [...tests.matchAll(/"([^"]+)"( \*\*W\*\*)?/g)];
      if (found.length === 0) named.push({ file, test: undefined, onlyOnWindows: false });
      for (const [, test, mark] of found) {
        named.push({ file, test, onlyOnWindows: mark !== undefined });
      }
    }
  }
  return named;
}

Deno.test("every threat of SECURITY.md names what shows that it is guarded against", () => {
  const rows = page.split("\n").filter((line) => line.startsWith("| **"));
  assertGreater(rows.length, 10);
  for (const row of rows) assert(/`[\w/]+\.ts`/.test(row.split("|").at(-2) ?? ""), row);
});

Deno.test("the tests that SECURITY.md names exist, and run where it says", async () => {
  for (const { file, test, onlyOnWindows } of namedTests()) {
    const source = await Deno.readTextFile(new URL(`tests/${file}`, ROOT));
    if (test === undefined) continue;
    assert(source.includes(test), `there is no "${test}" in ${file}`);
    const isSkipped = Object.keys(skipped).some((name) => name.includes(test));
    assertEquals(isSkipped, onlyOnWindows, `"${test}" and the mark of what Wine cannot show`);
  }
});
