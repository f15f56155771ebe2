/** The list of what is skipped under Wine, and the sources: each says all that the other does. */

import { assertEquals, assertNotEquals } from "@std/assert";
import { windowsTest } from "../win32/environment.ts";
import skipped from "./skipped_under_wine.json" with { type: "json" };

/** What a source skips by `windowsTest.notUnderWine`, and how else it skips, which it must not. */
interface Skips {
  listed: string[];
  refused: string[];
}

const TEXT_OR_COMMENT =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

function skipsOf(source: string): Skips {
  const listed: string[] = [];
  const refused: string[] = [];
  const code = source.replace(TEXT_OR_COMMENT, (_, text: string | undefined) => text ?? "");
  for (const [call, name] of code.matchAll(/\.notUnderWine\s*\(\s*("(?:\\.|[^"\\\n])*")?/g)) {
    if (name === undefined) refused.push(call);
    else listed.push(JSON.parse(name));
  }
  for (const [found] of code.matchAll(/["']ignore["']/g)) refused.push(found);
  const bare = code.replace(TEXT_OR_COMMENT, '""');
  // `ignore: true`, `{ ignore }`, `Deno.test.ignore()`; `only` hides all others.
  for (const [found] of bare.matchAll(/\b(?:ignore|only)\s*[:,}=(]/g)) refused.push(found);
  // A name for it would hide the calls from the search above.
  const mentions = [...bare.matchAll(/\bnotUnderWine\b/g)].length;
  const calls = [...bare.matchAll(/\bwindowsTest\s*\.\s*notUnderWine\s*\(/g)].length;
  if (mentions !== calls) refused.push("notUnderWine");
  for (const [found] of bare.matchAll(/\bisWine\(\)[^\n{;]*\)\s*\{?\s*return\b/g)) {
    refused.push(found);
  }
  return { listed, refused };
}

async function* sourcesBelow(folder: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) yield* sourcesBelow(new URL(`${entry.name}/`, folder));
    else if (/\.[cm]?[jt]sx?$/.test(entry.name)) yield new URL(entry.name, folder);
  }
}

windowsTest("the list of skips and the tests that are skipped are the same", async () => {
  const listed: string[] = [];
  const refused: string[] = [];
  for await (const file of sourcesBelow(new URL("./", import.meta.url))) {
    // The examples below are not skips.
    if (file.href === import.meta.url) continue;
    const skips = skipsOf(await Deno.readTextFile(file));
    listed.push(...skips.listed);
    refused.push(...skips.refused.map((found) => `${file.pathname}: ${found}`));
  }
  assertEquals(refused, [], "Skip by windowsTest.notUnderWine(), with a plain literal as name");
  assertEquals(listed.toSorted(), Object.keys(skipped).toSorted());
});

windowsTest("every skip has a reason", () => {
  for (const [name, reason] of Object.entries(skipped)) {
    assertNotEquals(String(reason).trim(), "", name);
  }
});

windowsTest("skips are found however they are written", () => {
  const find = (source: string) => skipsOf(source);
  const none = { listed: [], refused: [] };
  assertEquals(find('windowsTest.notUnderWine("a", () => {});'), { listed: ["a"], refused: [] });
  assertEquals(find('windowsTest\n  .notUnderWine(\n  "a \\"b\\"",\n() => {});').listed, ['a "b"']);
  assertEquals(find("// ignore: true\n/* Deno.test.ignore() */"), none);
  assertEquals(find('const path = "//./pipe/x, ignore: true";'), none);
  for (
    const source of [
      'Deno.test({ name: "a", ignore: true, fn });',
      'Deno.test("a", { ignore: isWine() }, fn);',
      'const path = "//./x"; Deno.test("a", { ignore }, fn);',
      'Deno.test("a", { "ignore": true }, fn);',
      'Deno.test.ignore("a", fn);',
      'Deno.test.only("a", fn);',
      "windowsTest.notUnderWine(name, fn);",
      "windowsTest.notUnderWine(`a`, fn);",
      "const { notUnderWine } = windowsTest;",
      "if (isWine()) return;",
      "if (isWine()) {\n  return;\n}",
    ]
  ) {
    assertNotEquals(find(source).refused, [], source);
  }
});
