/**
 * Copies of what the simulation, or a test, needs, so that nothing is ever planted in the module itself.
 *
 * @module
 */

import { type Mutant, mutate } from "./mutant.ts";

/** The module's folder. */
const HERE = new URL("../../", import.meta.url);

/** All that a copy has. */
const PARTS = [
  "deno.json",
  "ffi",
  "src",
  "tests/memory",
  "tests/memory_kernel.ts",
  "tests/simulation",
  "tools/mutants",
] as const;

/** What a copy has besides, in which tests are run. */
const TEST_PARTS = ["tests/fixture.ts", "tests/http", "tests/std"] as const;

/** The program that runs histories, in a copy. */
export const PROGRAM = "tools/mutants/histories.ts";

/**
 * Copies the module into an empty folder, with a fault in it if one is given.
 *
 * @param tests The files of tests that are copied, too.
 * @throws {Unusable} If the fault cannot be planted.
 */
export async function copyTree(
  folder: string,
  mutant?: Mutant,
  tests: readonly string[] = [],
): Promise<void> {
  const besides = tests.length === 0 ? [] : [...TEST_PARTS, ...tests];
  for (const part of [...PARTS, ...besides]) await copyPart(part, `${folder}/${part}`);
  if (mutant === undefined) return;
  const file = `${folder}/${mutant.file}`;
  const source = await Deno.readTextFile(new URL(mutant.file, HERE));
  await Deno.writeTextFile(file, mutate(source, mutant));
}

/** Copies one part of the module, a file or a folder. */
export async function copyPart(part: string, to: string): Promise<void> {
  await copy(new URL(part, HERE), to);
}

async function copy(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  if (!(await Deno.stat(from)).isDirectory) return await Deno.copyFile(from, to);
  for await (const { name } of Deno.readDir(from)) {
    await copy(new URL(`${from.href}/${name}`), `${to}/${name}`);
  }
}
