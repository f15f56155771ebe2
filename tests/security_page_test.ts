/**
 * SECURITY.md names tests and options: they exist, and tests that it says Wine cannot show are
 * skipped there.
 */

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
const THREATS: readonly Threat[] = page.split(/^### /m).slice(1).map((section) => {
  const [title = ""] = section.split("\n");
  const text = section.replaceAll(/\n +/g, " ");
  const tests = [...text.matchAll(/^- (Shown by|Windows only): (.*)$/gm)].flatMap(
    ([, label, item = ""]) => namedIn(item, label === "Windows only"),
  );
  return { title, tests };
});

/** What is called with a name first, and so may be a test. */
const TEST = /^ *[\w.]+\(\s*(["`])((?:(?!\1).)+)\1/gm;

/** The names of the tests in a file. */
async function testsOf(file: string): Promise<string[]> {
  const source = await Deno.readTextFile(new URL(`tests/${file}`, ROOT));
  return [...source.matchAll(TEST)].map(([, , name = ""]) => name);
}

Deno.test("every threat of SECURITY.md names what shows that it is guarded against", () => {
  assertGreater(THREATS.length, 20);
  for (const { title, tests } of THREATS) {
    assertGreater(tests.filter(({ onlyOnWindows }) => !onlyOnWindows).length, 0, title);
  }
});

Deno.test("the tests that SECURITY.md names exist, and run where it says", async () => {
  for (const { file, test, onlyOnWindows } of THREATS.flatMap(({ tests }) => tests)) {
    const names = await testsOf(file);
    assertGreater(names.length, 0, file);
    if (test === undefined) continue;
    assert(names.some((name) => name.includes(test)), `there is no test "${test}" in ${file}`);
    const isSkipped = Object.keys(skipped).some((name) => name.includes(test));
    const runsOnWindows = file.startsWith("windows/");
    assertEquals(isSkipped && runsOnWindows, onlyOnWindows, `"${test}" and what Wine cannot show`);
  }
});

Deno.test("SECURITY.md names every test of security that is skipped under Wine", () => {
  const named = THREATS.flatMap(({ tests }) => tests).filter(({ onlyOnWindows }) => onlyOnWindows);
  const security = Object.keys(skipped).filter((name) => /^(security|server): /.test(name));
  const missing = security.filter((name) =>
    !named.some(({ test }) => test !== undefined && name.includes(test))
  );
  assertEquals(missing, []);
});

/** The text of every module in a folder. */
async function sourcesOf(folder: URL): Promise<string> {
  let text = "";
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) text += await sourcesOf(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) text += await Deno.readTextFile(new URL(name, folder));
  }
  return text;
}

Deno.test("the options and members that SECURITY.md names are those of the interface", async () => {
  const sources = await sourcesOf(new URL("src/", ROOT));
  const declared = new Set(
    [...sources.matchAll(/^ *(?:readonly |export function )?([a-z]\w+)\??[:(]/gm)]
      .map(([, name]) => name),
  );
  const codes = [...page.replaceAll(/^```.*?^```$/gms, "").matchAll(/`([^`]+)`/g)]
    .map(([, code = ""]) => code);
  const words = codes.flatMap((code) => {
    const [, member] = /^(?:[a-z]+\.)?([a-z][A-Za-z]+)(?:\(\))?$/.exec(code) ?? [];
    const options = [...code.matchAll(/\b([a-z][A-Za-z]+):/g)].map(([, option = ""]) => option);
    return member === undefined ? options : [member];
  });
  assertGreater(words.length, 30);
  // A folder, a coding of HTTP, and a method of Worker.
  const others = ["tests", "chunked", "terminate"];
  const unknown = words.filter((word) => !declared.has(word) && !others.includes(word));
  assertEquals(unknown, []);
});
