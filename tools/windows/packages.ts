/** npm packages for deno.exe, which cannot download them itself: see `cachedOnly`. */

import { createHash } from "node:crypto";
import { makeOnce, removeAll } from "./cache.ts";
import { exists, SetupError } from "./host.ts";
import { withProgress } from "./progress.ts";

/** What tests and examples import from npm, these import too. */
const ENTRIES = ["tests/std/assert.ts", "tests/node/libraries.ts"];

/** The DENO_DIR for deno.exe, with what the project needs from npm. */
export async function packages(cache: string, checkout: string): Promise<string> {
  const denoDir = `${cache}/deno-dir`;
  await Deno.mkdir(denoDir, { recursive: true });
  const entries: string[] = [];
  for (const entry of ENTRIES) if (await exists(`${checkout}/${entry}`)) entries.push(entry);
  if (entries.length > 0) {
    const state = await stateOf(checkout, [...entries, "deno.json", "deno.lock"]);
    await makeOnce(denoDir, `packages-${state}`, (part) => load(denoDir, checkout, entries, part));
  }
  return denoDir;
}

async function stateOf(checkout: string, names: string[]): Promise<string> {
  const hash = createHash("sha256").update(Deno.version.deno);
  for (const name of names) {
    const path = `${checkout}/${name}`;
    hash.update(`\0${name}\0`);
    if (await exists(path)) hash.update(await Deno.readFile(path));
  }
  return hash.digest("hex").slice(0, 16);
}

async function load(
  denoDir: string,
  checkout: string,
  entries: string[],
  part: string,
): Promise<void> {
  const lock = `${checkout}/deno.lock`;
  // A copy, because Deno completes the file and the checkout is not the tool's to change.
  const copy = `${part}.lock`;
  if (await exists(lock)) await Deno.copyFile(lock, copy);
  try {
    await withProgress("Caching npm packages", async () => {
      const result = await new Deno.Command(Deno.execPath(), {
        args: ["cache", `--lock=${copy}`, ...entries],
        cwd: checkout,
        env: { DENO_DIR: denoDir, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      if (!result.success) {
        const text = new TextDecoder().decode(result.stderr).trim();
        throw new SetupError(`Cannot cache what ${entries.join(" and ")} import:\n${text}`);
      }
    });
    await Deno.writeTextFile(part, "");
  } finally {
    await removeAll(copy);
  }
}
