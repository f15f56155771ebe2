/**
 * The one place where the parts meet Windows: the isolate's loop over the Windows kernel, opened at
 * the first call and never at import.
 *
 * @module
 */

import { WindowsKernel } from "../ffi/windows_kernel.ts";
import { WaitLoop } from "./wait_loop.ts";

/** Gives the loop that servers and clients run on. */
export type OpenLoop = () => WaitLoop;

let isolateLoop: WaitLoop | undefined;

/**
 * The isolate's loop, which goes away with its last user.
 *
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} If the permission to use kernel32 is missing.
 */
export function openLoop(): WaitLoop {
  if (Deno.build.os !== "windows") {
    throw new Deno.errors.NotSupported(
      `Cannot use named pipes: they are a part of Windows, and this is ${Deno.build.os}`,
    );
  }
  return isolateLoop ??= new WaitLoop(new WindowsKernel(), () => isolateLoop = undefined);
}
