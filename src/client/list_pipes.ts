/**
 * listPipes(): the pipes of this machine.
 *
 * @module
 */

import { type ListNames, listNames } from "../loop/isolate.ts";
import { systemError } from "../kernel/errors.ts";
import type { PipeEntry } from "../kernel/kernel.ts";
import { Status } from "../kernel/status.ts";

/**
 * Lists the pipes of this machine, those of all programs. Whoever may open them or not, everybody
 * sees their names.
 *
 * The functions for this are loaded from `kernel32.dll` at the call, which takes some milliseconds.
 *
 * @returns The names, in the order in which Windows tells them, without `\\.\pipe\`.
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll`.
 * @throws {WindowsError} If Windows cannot list them. Under Wine that is code 66.
 * @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-findfirstfilew}
 *
 * @example Is a name served?
 * ```ts
 * import { listPipes } from "@overlapped/named-pipe";
 *
 * const served = listPipes().some(({ name }) => name.toLowerCase() === "docker_engine");
 * ```
 */
export function listPipes(): PipeEntry[] {
  return listPipesOn(listNames);
}

/** {@linkcode listPipes} of any system. */
export function listPipesOn(list: ListNames): PipeEntry[] {
  const { status, call, pipes } = list();
  if (status === Status.SUCCESS) return [...pipes];
  throw systemError("Cannot list the pipes of", call, "\\\\.\\pipe\\", status);
}
