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

import { SetupError } from "./windows/host.ts";
import { log } from "./windows/progress.ts";
import { runWindows } from "./windows/run.ts";

async function main(): Promise<number> {
  try {
    return await runWindows(Deno.args);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    log(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
