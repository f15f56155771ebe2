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

interface Threat {
  readonly title: string;
  readonly tests: readonly Named[];
}

/** Files, each perhaps with tests, that a list item of the page names. */
function namedIn(item: string, onlyOnWindows: boolean): Named[] {
  const named: Named[] = [];
  for (const [, file = "", tests = ""] of item.matchAll(/`([\w/]+\.ts)`([^`]*)/g)) {
    const found = [...tests.matchAll(/"([^"]+)"/g)];
    if (found.length === 0) named.push({ file, test: undefined, onlyOnWindows });
    for (const [, test] of found) named.push({ file, test, onlyOnWindows });
  }
  return named;
}

/** The sections about threats, and what their lists "Shown by" and "Windows only" name. */
function threats(): Threat[] {
  const [, part = ""] = /^## Guarded against\n(.*?)^## /ms.exec(page) ?? [];
  return part.split(/^### /m).slice(1).map((section) => {
    const [title = ""] = section.split("\n");
    const text = section.replaceAll(/\n +/g, " ");
    const tests = [...text.matchAll(/^- (Shown by|Windows only): (.*)$/gm)].flatMap(
      ([, label, item = ""]) => namedIn(item, label === "Windows only"),
    );
    return { title, tests };
  });
}

Deno.test("every threat of SECURITY.md names what shows that it is guarded against", () => {
  const sections = threats();
  assertGreater(sections.length, 10);
  for (const { title, tests } of sections) assertGreater(tests.length, 0, title);
});

Deno.test("the tests that SECURITY.md names exist, and run where it says", async () => {
  for (const { file, test, onlyOnWindows } of threats().flatMap(({ tests }) => tests)) {
    const source = await Deno.readTextFile(new URL(`tests/${file}`, ROOT));
    if (test === undefined) continue;
    assert(source.includes(test), `there is no "${test}" in ${file}`);
    const isSkipped = Object.keys(skipped).some((name) => name.includes(test));
    assertEquals(isSkipped, onlyOnWindows, `"${test}" and what Wine cannot show`);
  }
});
