/**
 * The files that `deno publish` packs, as `publish.include` of `deno.json` names them.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** The entries of the package: what is imported, and the file behind it. */
export const ENTRIES: ReadonlyMap<string, string> = new Map(
  Object.entries(config.exports).map(([key, file]) => [
    `${config.name}${key.slice(1)}`,
    file.slice("./".length),
  ]),
);

async function filesOf(path: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${path}/`, ROOT))) {
    if (isDirectory) files.push(...await filesOf(`${path}/${name}`));
    else files.push(`${path}/${name}`);
  }
  return files;
}

/** Files of one folder: `bench/*.svg`. */
async function matching(pattern: string): Promise<string[]> {
  const folder = dirname(pattern);
  const ending = pattern.slice(pattern.indexOf("*") + 1);
  const files = await filesOf(folder);
  return files.filter((file) => dirname(file) === folder && file.endsWith(ending));
}

async function included(path: string): Promise<string[]> {
  if (path.includes("*")) return await matching(path);
  const { isDirectory } = await Deno.stat(new URL(path, ROOT));
  return isDirectory ? await filesOf(path) : [path];
}

/** All of them, by their paths in the package. */
export async function packedFiles(): Promise<string[]> {
  return (await Promise.all(config.publish.include.map(included))).flat().toSorted();
}

/** Whether a file or folder of this path is packed, if there is one. */
export function isPublished(path: string): boolean {
  return config.publish.include.some((included) => {
    const [before = "", after] = included.split("*");
    if (after !== undefined) return path.startsWith(before) && path.endsWith(after);
    return path === included || path.startsWith(`${included}/`);
  });
}

/** A copy of the package in a folder of its own, and a program's folder beside it. */
export class PackedCopy implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<PackedCopy> {
    const copy = new PackedCopy(await Deno.makeTempDir({ prefix: "packed" }));
    for (const file of await packedFiles()) {
      const target = `${copy.#folder}/package/${file}`;
      await Deno.mkdir(dirname(target), { recursive: true });
      await Deno.copyFile(fileURLToPath(new URL(file, ROOT)), target);
    }
    const imports = Object.fromEntries(
      [...ENTRIES].map(([specifier, file]) => [specifier, `../package/${file}`]),
    );
    await Deno.mkdir(`${copy.#folder}/program`);
    await Deno.writeTextFile(`${copy.#folder}/program/deno.json`, JSON.stringify({ imports }));
    return copy;
  }

  /** Writes a program beside the package, and returns the arguments that tell Deno of it. */
  async write(name: string, source: string): Promise<string[]> {
    const file = `${this.#folder}/program/${name}`;
    await Deno.writeTextFile(file, source);
    return ["--config", `${this.#folder}/program/deno.json`, "--no-lock", "--no-remote", file];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
