/**
 * Runs the Windows build of Deno: `deno run -A tools/windows.ts test -P tests/windows`.
 *
 * On Windows that is the running Deno, or a deno.exe of the version that is asked for. On Linux it is
 * deno.exe under Wine, both set up in a cache folder by the first run. Its arguments, stdin, output,
 * exit code and Ctrl-C are those of Deno.
 *
 * | variable               | meaning                                                                |
 * | ---------------------- | ---------------------------------------------------------------------- |
 * | `NAMED_PIPE_CACHE`     | cache folder, otherwise `overlapped-named-pipe` in the user's cache     |
 * | `WINDOWS_DENO_VERSION` | another version of deno.exe, see `windows/deno_exe.ts`, or `oldest`     |
 * | `WINEDEBUG`            | Wine's own messages, off (`-all`) unless set                           |
 *
 * What Linux needs is a Wine of version 10 or newer, or Debian or Ubuntu with root or a `sudo` that
 * asks for no password: the tool then makes a Debian 13 root with Wine in the cache folder.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { cacheFolder } from "./windows/cache.ts";
import { denoExe, source, VERSION_VARIABLE } from "./windows/deno_exe.ts";
import { SetupError } from "./windows/host.ts";
import { cachedOnly, runtimeVariables, windowsPath } from "./windows/invocation.ts";
import { packages } from "./windows/packages.ts";
import { prefix } from "./windows/prefix.ts";
import { log } from "./windows/progress.ts";
import { openRun } from "./windows/run_folder.ts";
import { session } from "./windows/session.ts";
import { whileForwarding } from "./windows/signals.ts";
import { wine } from "./windows/wine.ts";

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
  const checkout = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
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

async function main(): Promise<number> {
  try {
    return await (Deno.build.os === "windows" ? runHere : runUnderWine)(Deno.args);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    log(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
