/**
 * Finds the mutants that are no programs: a fault that the compiler sees proves nothing.
 *
 * @module
 */

import { type Mutant, mutate, Unusable } from "./mutant.ts";
import { copyPart, copyTree } from "./tree.ts";
import { CHILD } from "./child.ts";

/**
 * Checks the types of all mutants, side by side in one copy of the module, which takes far less
 * time than to check one after the other.
 *
 * @returns Why a mutant cannot be tried, for those that cannot.
 */
export async function findUnusable(
  folder: string,
  mutants: readonly Mutant[],
): Promise<Map<Mutant, string>> {
  await copyTree(folder);
  const unusable = new Map<Mutant, string>();
  const files = new Map<string, Mutant>();
  for (const [number, mutant] of mutants.entries()) {
    try {
      files.set(await plant(folder, mutant, number), mutant);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      unusable.set(mutant, error.message);
    }
  }
  await check(folder, files, unusable);
  return unusable;
}

/**
 * Each mutant gets its folder for itself, since files that import each other must be of one kind.
 * Other folders are never in such a circle.
 */
async function plant(folder: string, mutant: Mutant, number: number): Promise<string> {
  const source = mutate(await Deno.readTextFile(`${folder}/${mutant.file}`), mutant);
  const [, layer = "", name = ""] = /^(.*)\/(.*)$/.exec(mutant.file) ?? [];
  const file = `${layer}_mutant_${number}/${name}`;
  await copyPart(layer, `${folder}/${layer}_mutant_${number}`);
  await Deno.writeTextFile(`${folder}/${file}`, source);
  return file;
}

/** An error of syntax keeps the compiler from seeing others: what is left is checked again. */
async function check(
  folder: string,
  files: ReadonlyMap<string, Mutant>,
  unusable: Map<Mutant, string>,
): Promise<void> {
  let left = new Map(files);
  while (left.size > 0) {
    const complaints = await complaintsOf(folder, [...left.keys()]);
    if (complaints === undefined) return;
    // Each complaint begins with its text and ends with its place.
    for (const complaint of complaints.split(/\n\n/)) {
      for (const [file, mutant] of left) {
        if (!complaint.includes(file.replace(/[^/]*$/, ""))) continue;
        unusable.set(mutant, complaint.trim().split("\n")[0] ?? complaint);
      }
    }
    const rest = new Map([...left].filter(([, mutant]) => !unusable.has(mutant)));
    if (rest.size === left.size) {
      throw new Error(`Cannot check the types of the mutants: ${complaints}`);
    }
    left = rest;
  }
}

async function complaintsOf(folder: string, files: string[]): Promise<string | undefined> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", ...files],
    cwd: folder,
    env: CHILD,
    stdin: "null",
  }).output();
  return code === 0 ? undefined : new TextDecoder().decode(stderr);
}
