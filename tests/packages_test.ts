/** Packages of npm: who may import them, and in which version. */

import { assertEquals } from "@std/assert";
import { LIBRARIES } from "../tools/foreign.ts";

const ROOT = new URL("../", import.meta.url);

/** Where programs are that people run or copy. */
const PLACES = ["README.md", "mod.ts", "src/", "ffi/", "docs/", "examples/", "tests/", "bench/"];

/** An exact version, and perhaps a file of the package. */
const PINNED = /^((?:@[\w-]+\/)?[\w-]+)@(\d+\.\d+\.\d+)(?:\/[\w./-]+)?$/;

function* filesIn(place: string): Generator<string> {
  if (!place.endsWith("/")) return yield place;
  for (const { name, isDirectory } of Deno.readDirSync(new URL(place, ROOT))) {
    if (isDirectory) yield* filesIn(`${place}${name}/`);
    else if (/\.(?:ts|mjs|md)$/.test(name)) yield `${place}${name}`;
  }
}

/** What is imported from npm, types included, and by whom. */
const found: { file: string; specifier: string }[] = [];
for (const file of PLACES.flatMap((place) => [...filesIn(place)])) {
  const source = await Deno.readTextFile(new URL(file, ROOT));
  for (const [, specifier = ""] of source.matchAll(/(?:from |=|import\()"npm:\/?([^"]+)"/g)) {
    found.push({ file, specifier });
  }
}

Deno.test("the module itself imports no package", async () => {
  const imports = found.filter(({ file }) => /^(?:mod\.ts|src\/|ffi\/)/.test(file));
  // In an example of its documentation.
  assertEquals(imports, [{ file: "src/node/mod.ts", specifier: "vscode-jsonrpc@10.0.0/node" }]);
  const source = await Deno.readTextFile(new URL("src/node/mod.ts", ROOT));
  assertEquals(/^import .*npm:/m.exec(source), null);
  const { imports: names } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  assertEquals(Object.keys(names), ["@std/assert"]);
});

Deno.test("every package has one exact version, the same wherever it is imported", () => {
  const versions = new Map<string, string>();
  for (const { file, specifier } of found) {
    const [, name = "", version = ""] = PINNED.exec(specifier) ?? [];
    assertEquals(versions.get(name) ?? version, version, `${file}: ${specifier}`);
    assertEquals(version === "", false, `${file}: ${specifier}`);
    versions.set(name, version);
  }
  // node.exe has the same at the other end.
  for (const { package: name, version } of LIBRARIES) {
    assertEquals(versions.get(name) ?? version, version, name);
  }
});
