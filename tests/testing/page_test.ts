/** docs/testing.md shows what is run. */

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

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

Deno.test("the tests of the page need no permission", async () => {
  const file = fileURLToPath(new URL("tests/testing/notes_test.ts", ROOT));
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--quiet", "--no-prompt", "--no-check", "--cached-only", file],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text);
  assert(text.includes("9 passed"), text);
});
