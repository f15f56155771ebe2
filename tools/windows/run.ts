/** Runs the Windows build of Deno, where and how this machine can. */

import { fileURLToPath } from "node:url";
import { cacheFolder } from "./cache.ts";
import { denoExe, source, VERSION_VARIABLE } from "./deno_exe.ts";
import { cachedOnly, runtimeVariables, windowsPath } from "./invocation.ts";
import { packages } from "./packages.ts";
import { prefix } from "./prefix.ts";
import { openRun } from "./run_folder.ts";
import { session } from "./session.ts";
import { whileForwarding } from "./signals.ts";
import { wine } from "./wine.ts";

/**
 * Runs it with these arguments.
 *
 * @returns Its exit code.
 * @throws {SetupError} If it cannot run on this machine.
 */
export async function runWindows(args: string[]): Promise<number> {
  return await (Deno.build.os === "windows" ? runHere : runUnderWine)(args);
}

/** The running Deno, unless the caller has asked for a version. */
async function denoHere(): Promise<string> {
  if (!Deno.env.get(VERSION_VARIABLE)) return Deno.execPath();
  return await denoExe(cacheFolder(), await source());
}

async function runHere(args: string[]): Promise<number> {
  const child = new Deno.Command(await denoHere(), { args }).spawn();
  // The console tells both processes of a Ctrl-C. Deno decides what it means.
  return await whileForwarding(child, () => {});
}

async function runUnderWine(args: string[]): Promise<number> {
  const checkout = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
  const cache = cacheFolder();
  const from = await source();
  await using run = await openRun(cache);
  const found = await wine(cache, run);
  const template = await prefix(cache, run, found);
  const exe = await denoExe(cache, from);
  const denoDir = await packages(cache, checkout);
  using started = await session({
    cache,
    run,
    wine: found,
    prefix: { template },
    shown: [checkout],
    variables: runtimeVariables(denoDir),
    program: [found.path, windowsPath(exe), ...cachedOnly(args)],
  });
  return await whileForwarding(started.child, started.signal);
}
