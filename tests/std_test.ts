/** `@std/assert`: typed, known by one file, and there at run time. */

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import * as std from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** Checks sources outside of the repository as if they were tests; what `deno check` says of each. */
async function check(...sources: string[]): Promise<{ success: boolean; said: string[] }> {
  const folder = await Deno.makeTempDir({ prefix: "std_test_" });
  try {
    const files = sources.map((_, i) => `${folder}/example_${i}_test.ts`);
    for (const [i, file] of files.entries()) await Deno.writeTextFile(file, sources[i] ?? "");
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--frozen", "--config", CONFIG, ...files],
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
    }).output();
    // One paragraph for each error, which ends with its place.
    const errors = new TextDecoder().decode(stderr).split(/\n(?=TS\d+ )/);
    const said = files.map((_, i) =>
      errors.filter((error) => error.includes(`example_${i}_test.ts:`)).join("\n")
    );
    return { success, said };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CONFIG = toPath(new URL("deno.json", ROOT));

function toPath(url: URL): string {
  const path = decodeURIComponent(url.pathname);
  return Deno.build.os === "windows" ? path.slice(1) : path;
}

const WRONG: [source: string, said: RegExp][] = [
  ['import { assertEqual } from "@std/assert";\nassertEqual(1, 1);', /TS2724.*"?assertEqual"?/],
  ['import { assertEquals } from "@std/assert";\nassertEquals(1, "1");', /TS2345.*'string'/],
  ['import { assertThrows } from "@std/assert";\nassertThrows(5);', /TS2769|TS2345/],
  ['import { nothing } from "@std/assert";\nnothing();', /TS2305.*nothing/],
  [
    'import { assertStrictEquals } from "@std/assert";\nlet a: string = assertStrictEquals(1, 1);',
    /TS2322.*'void'/,
  ],
];

const RIGHT = `
import { assert, assertEquals, assertThrows } from "@std/assert";
assertEquals(1, 1);
assertEquals([1, "1"], [1, "1"]);
const error = assertThrows(() => {}, RangeError);
const message: string = error.message;
const value = message as string | undefined;
assert(value);
value.length;
`;

Deno.test("deno check refuses a misspelt import of @std/assert, and wrong arguments", async () => {
  const { success, said } = await check(...WRONG.map(([source]) => source));
  assert(!success);
  for (const [i, [source, expected]] of WRONG.entries()) {
    assertMatch(said[i] ?? "", expected, source);
  }
});

Deno.test("deno check has nothing against the right use of @std/assert", async () => {
  assertEquals(await check(RIGHT), { success: true, said: [""] });
});

/** The files of the repository, by path; what tools keep beside them is not looked at. */
async function* files(folder: URL = ROOT, path = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const hidden = name.startsWith(".") && name !== ".github" && name !== ".ci";
    if (hidden || ["node_modules", "coverage"].includes(name)) continue;
    if (isDirectory) yield* files(new URL(`${name}/`, folder), `${path}${name}/`);
    else if (isFile) yield path + name;
  }
}

// Put together, so that this file does not name it itself.
const PACKAGE = ["deno", "std"].join("-");

Deno.test("only tests/std/assert.ts names the package that std comes from", async () => {
  const naming: string[] = [];
  let count = 0;
  for await (const file of files()) {
    count++;
    // The lock file names everything.
    if (file === "deno.lock" || !/\.(?:[cm]?[jt]sx?|jsonc?|md|ya?ml)$/.test(file)) continue;
    const source = await Deno.readTextFile(new URL(file, ROOT));
    const imported = new RegExp(`["']npm:(?:/)?${PACKAGE}\\b`).test(source);
    if (imported) naming.push(file);
  }
  assertEquals(naming, ["tests/std/assert.ts"]);
  assert(count > 50, `${count} files`);
});

Deno.test("the package has one pinned version", async () => {
  const source = await Deno.readTextFile(new URL("tests/std/assert.ts", ROOT));
  assertMatch(source, new RegExp(`from "npm:${PACKAGE}@\\d+\\.\\d+\\.\\d+/`));
});

Deno.test("tests import std by its name only", async () => {
  const others: string[] = [];
  for await (const file of files()) {
    if (!/\.[cm]?[jt]sx?$/.test(file) || file.startsWith("tests/std/")) continue;
    const source = await Deno.readTextFile(new URL(file, ROOT));
    for (const [, specifier = ""] of source.matchAll(/^(?:\} from|import .*from) "([^"]+)"/gm)) {
      const foreign = /(?:^|[/:@-])std(?:[/@]|$)|^https?:|^jsr:/.test(specifier);
      if (foreign && specifier !== "@std/assert") {
        others.push(`${file}: ${specifier}`);
      }
    }
  }
  assertEquals(others, []);
});

Deno.test("what tests/std/assert.d.ts declares is in the real module", async () => {
  const declarations = await Deno.readTextFile(new URL("tests/std/assert.d.ts", ROOT));
  const pattern = /^export (?:declare )?(?:async )?(?:function|class|const|let) (\w+)/gm;
  const names = new Set([...declarations.matchAll(pattern)].map(([, name = ""]) => name));
  const exported = [...declarations.matchAll(/^export /gm)].length;
  // No declaration in another form: overloads are the only ones that come more than once.
  assertEquals([...declarations.matchAll(pattern)].length, exported);
  assert(names.size > 10, `${names.size} names`);
  const real: Record<string, unknown> = { ...std };
  for (const name of names) assertEquals(typeof real[name], "function", name);
  // A name that nobody has would be found.
  assertNotEquals(typeof real["assertEqual"], "function");
});
