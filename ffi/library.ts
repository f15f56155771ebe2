/**
 * Opens a library of Windows under the narrowest permission that there is.
 *
 * @module
 */

/** Where Windows keeps its libraries: a scoped permission is granted to these very paths. */
export const SYSTEM32 = "C:\\Windows\\System32\\";

/** What was needed to begin at all could not be had. */
export class KernelError extends Error {
  /** The Windows function that failed. */
  readonly call: string;
  /** Its last error. */
  readonly code: number;

  /** Says which function failed, and with which last error. */
  constructor(call: string, code: number) {
    super(`${call} failed with error ${code}`);
    this.name = "KernelError";
    this.call = call;
    this.code = code;
  }
}

/**
 * Opens one of Windows' own libraries.
 *
 * The full path comes first, since Deno resolves `--allow-ffi=kernel32.dll` against the working
 * directory, so that only a full path can be granted by itself. The bare name is for a Windows that
 * lives elsewhere.
 *
 * @param needed The files that the program needs in all: whoever lacks the permission for one is
 *   told the flag that is enough for all.
 * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
 */
export function openLibrary<S extends Deno.ForeignLibraryInterface>(
  name: string,
  symbols: S,
  needed: readonly string[],
): Deno.DynamicLibrary<S> {
  try {
    return Deno.dlopen(SYSTEM32 + name, symbols);
  } catch (error) {
    if (isDenied(error)) throw notCapable(needed, error);
  }
  try {
    return Deno.dlopen(name, symbols);
  } catch (error) {
    throw isDenied(error) ? notCapable(needed, error) : error;
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied;
}

function notCapable(needed: readonly string[], cause: unknown): Error {
  const paths = needed.map((name) => SYSTEM32 + name).join();
  return new Deno.errors.NotCapable(
    `Requires FFI access: run again with --allow-ffi or --allow-ffi=${paths}`,
    { cause },
  );
}
