/** `@std/assert`: typed, known by one file, and there at run time. */

import { assertEquals, assertGreater, assertStrictEquals, assertThrows } from "@std/assert";
import * as std from "@std/assert";

const ROOT = new URL("../", import.meta.url);

/** Type-checks what must not compile, and does not run it. */
export function wrongUses(): void {
  // @ts-expect-error It is misspelt.
  std.assertEqual(1, 1);
  // @ts-expect-error It has another type.
  assertEquals(1, "1");
  // @ts-expect-error That is no function.
  assertThrows(5);
  // @ts-expect-error It gives nothing.
  const _text: string = assertStrictEquals(1, 1);
}

Deno.test("what tests/std/assert.d.ts declares is in the real module", async () => {
  const declarations = await Deno.readTextFile(new URL("tests/std/assert.d.ts", ROOT));
  const names = [...declarations.matchAll(/^export (?:\w+ )*?(?:function|class|const) (\w+)/gm)];
  // No declaration in another form.
  assertEquals(names.length, [...declarations.matchAll(/^export /gm)].length);
  assertGreater(names.length, 10);
  const real: Record<string, unknown> = { ...std };
  for (const [, name = ""] of names) assertEquals(typeof real[name], "function", name);
});

/** The sources below a folder, by path. */
async function* sources(path: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(path, ROOT))) {
    if (isDirectory) yield* sources(`${path}${name}/`);
    else if (/\.[cm]?[jt]sx?$/.test(name)) yield path + name;
  }
}

Deno.test("only tests/std/assert.ts imports std from a registry, with one pinned version", async () => {
  const found: string[] = [];
  for (const folder of ["src/", "ffi/", "tests/", "tools/", "bench/", "examples/"]) {
    for await (const file of sources(folder)) {
      const source = await Deno.readTextFile(new URL(file, ROOT));
      for (const [, specifier] of source.matchAll(/^(?:import|export|\}) .*from "([^"]+)"/gm)) {
        const other = /^(?:https?:|jsr:|npm:\/?deno-)|(?:^|[/:@-])std(?:[/@]|$)/.test(
          `${specifier}`,
        );
        if (other && specifier !== "@std/assert") found.push(`${file}: ${specifier}`);
      }
    }
  }
  assertEquals(found, ["tests/std/assert.ts: npm:deno-std@1.4.0/assert/mod.js"]);
});
