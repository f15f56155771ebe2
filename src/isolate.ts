/**
 * The one place where the parts meet Windows: the isolate's loop over the Windows kernel, opened at
 * the first call and never at import.
 *
 * @module
 */

import { KernelError } from "../ffi/kernel32.ts";
import { WindowsKernel } from "../ffi/windows_kernel.ts";
import { systemError } from "./errors.ts";
import { WaitLoop } from "./wait_loop.ts";

/** Gives the loop that servers and clients run on; the path is for errors. */
export type OpenLoop = (path: string) => WaitLoop;

let isolateLoop: WaitLoop | undefined;

/**
 * The isolate's loop, which goes away with its last user.
 *
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} If the permission to use kernel32 is missing.
 * @throws {WindowsError} If Windows is short of what the loop needs.
 */
export function openLoop(path: string): WaitLoop {
  if (Deno.build.os !== "windows") {
    throw new Deno.errors.NotSupported(
      `Cannot use named pipes: they are a part of Windows, and this is ${Deno.build.os}`,
    );
  }
  return isolateLoop ??= new WaitLoop(openKernel(path), () => isolateLoop = undefined);
}

function openKernel(path: string): WindowsKernel {
  try {
    return new WindowsKernel();
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw systemError("Cannot use", error.call, path, error.code);
  }
}
