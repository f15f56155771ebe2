/** What docs/testing.md and the comments show is run. */

import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

const page = (await read("docs/testing.md")).replaceAll("\r\n", "\n");
const tests = (await read("tests/testing/notes_test.ts")).replaceAll("\r\n", "\n");
const TEST = /^Deno\.test\([\s\S]*?^\}\);$/gm;

Deno.test("the page shows tests that are run, and most of them", () => {
  const shown: readonly string[] = page.match(TEST) ?? [];
  const all: readonly string[] = tests.match(TEST) ?? [];
  assertEquals(shown.filter((test) => !all.includes(test)), []);
  assert(shown.length >= 8);
});

Deno.test("the page shows the program that is tested", async () => {
  const program = (await read("examples/notes.ts")).replaceAll("\r\n", "\n");
  const bodies = page.match(/^\/\*\* [^\n]+ \*\/\nexport [\s\S]*?^\}$/gm) ?? [];
  assertEquals(bodies.length, 3);
  // Without the types of the results, which a reader can do without.
  const plain = program.replaceAll(/\): (?:PipeServer|Promise<\w+>) \{$/gm, ") {");
  for (const body of bodies) assert(plain.includes(body), body);
});

/** Runs tests, or the examples of comments, without permissions. */
async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--no-prompt", "--no-check", "--cached-only", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  assertEquals(code, 0, text);
  return text;
}

Deno.test("the tests of the page need no permission", async () => {
  assertStringIncludes(await run("tests/testing/notes_test.ts"), "9 passed");
});

Deno.test("the examples of the comments need none, and are right", async () => {
  const text = await run("--doc", "src/testing");
  assertStringIncludes(text, "14 passed");
  assertFalse(text.includes("Assertion failed"), text);
});
