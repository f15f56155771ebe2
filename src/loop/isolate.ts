/**
 * The one place where the parts meet Windows: the isolate's loop over the Windows kernel, made at the
 * first call and never at import.
 *
 * @module
 */

import { KernelError } from "../../ffi/kernel_error.ts";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { systemError } from "../kernel/errors.ts";
import { WaitLoop } from "./wait_loop.ts";

/**
 * Gives the loop that servers and clients run on. The path is for errors, and `identifies` says
 * whether users and access rights will be asked about.
 */
export type OpenLoop = (path: string, identifies: boolean) => WaitLoop;

let isolate: { readonly kernel: WindowsKernel; readonly loop: WaitLoop } | undefined;

/**
 * The isolate's loop, which goes away with its last user.
 *
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} If the permission to use kernel32 is missing, or advapi32, if
 *   that is needed.
 * @throws {WindowsError} If Windows is short of what the loop needs.
 */
export function openLoop(path: string, identifies: boolean): WaitLoop {
  if (Deno.build.os !== "windows") {
    throw new Deno.errors.NotSupported(
      `Cannot use named pipes: they are a part of Windows, and this is ${Deno.build.os}`,
    );
  }
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
