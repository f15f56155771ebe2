/**
 * The demonstration, in the Windows build of Deno, or on pipes in memory where that cannot run.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { demonstrateInMemory } from "./demo/memory.ts";
import { SetupError } from "./windows/host.ts";
import { log } from "./windows/progress.ts";
import { runWindows } from "./windows/run.ts";

const PROGRAM = fileURLToPath(new URL("./demo/windows.ts", import.meta.url));

async function main(): Promise<number> {
  try {
    return await runWindows(["run", "--allow-ffi", "--allow-run", "--allow-read", PROGRAM]);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    log(error.message);
    console.log("The Windows build of Deno cannot run here: these are pipes in memory.");
    return await demonstrateInMemory() ? 0 : 1;
  }
}

if (import.meta.main) Deno.exit(await main());
