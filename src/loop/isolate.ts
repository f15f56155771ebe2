/**
 * The isolate's loop over the Windows kernel, created by the first call and never at import.
 * Nothing else in `src/` creates a kernel.
 *
 * @module
 */

import { KernelError } from "../../ffi/kernel_error.ts";
import { readPipeDirectory } from "../../ffi/pipe_directory.ts";
import { readSystem } from "../../ffi/system.ts";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { systemError } from "../kernel/errors.ts";
import type { Kernel, PipeListing, SystemInfo } from "../kernel/kernel.ts";
import { WaitLoop } from "./wait_loop.ts";

/**
 * Opens the loop that servers and clients run on. The path is for errors, and `identifies` says
 * whether clients are identified or access rights read, which needs advapi32.
 */
export type OpenLoop = (path: string, identifies: boolean) => WaitLoop;

let isolate: { readonly kernel: WindowsKernel; readonly loop: WaitLoop } | undefined;

/**
 * Opens the isolate's loop, which lives until its last user has left.
 *
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} If the permission for kernel32 is missing, or for advapi32 if
 *   that is needed.
 * @throws {WindowsError} If Windows lacks the resources that the loop needs.
 */
export function openLoop(path: string, identifies: boolean): WaitLoop {
  requireWindows();
  try {
    if (isolate === undefined) {
      const kernel = new WindowsKernel({ security: identifies });
      isolate = { kernel, loop: new WaitLoop(kernel, () => isolate = undefined) };
    } else if (identifies) {
      isolate.kernel.openSecurity();
    }
    return isolate.loop;
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw systemError("Cannot use", error.call, path, error.code);
  }
}

/** Lists the pipes of a system. */
export type ListNames = () => PipeListing;

/**
 * Lists the pipes of this machine, without a loop.
 *
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} If the permission for kernel32 is missing.
 */
export function listNames(): PipeListing {
  requireWindows();
  return readPipeDirectory();
}

/**
 * A kernel of its own, for who examines the system. The caller disposes of it.
 *
 * @param security Whether it can be asked about users and access rights.
 * @throws {Error} As {@linkcode openLoop} does.
 */
export function openKernel(security: boolean): Kernel {
  requireWindows();
  return new WindowsKernel({ security });
}

/**
 * What this system is.
 *
 * @throws {Error} As {@linkcode listNames} does.
 */
export function systemInfo(): SystemInfo {
  requireWindows();
  return readSystem();
}

function requireWindows(): void {
  if (Deno.build.os === "windows") return;
  throw new Deno.errors.NotSupported(
    `Cannot use named pipes: they are a part of Windows, and this is ${Deno.build.os}`,
  );
}
