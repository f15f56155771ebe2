/**
 * Opens a Windows library with the narrowest permission possible.
 *
 * @module
 */

/** The usual folder of Windows' libraries, which error messages name. */
export const SYSTEM32 = "C:\\Windows\\System32\\";

/**
 * One of Windows' own libraries.
 *
 * Opening a library takes about half a millisecond for each of its functions, longer than everything
 * else in a short program. So it is opened once, at import, if the permission is granted already,
 * and stays open. Not later: a library that is first opened during a test would count as a leak of
 * that test. Without the permission it is opened when it is needed, and closed after use.
 */
export class Library<S extends Deno.ForeignLibraryInterface> {
  readonly #name: string;
  readonly #symbols: S;
  readonly #kept: Deno.DynamicLibrary<S> | undefined;

  /** Opens it if this is Windows and the permission is granted. Never throws and never prompts. */
  constructor(name: string, symbols: S) {
    this.#name = name;
    this.#symbols = symbols;
    this.#kept = this.#keep();
  }

  /**
   * The library, which the caller closes after use.
   *
   * @param needed All files that the program needs: if the permission for one is missing, the error
   *   names the flag that is enough for all.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing or was revoked.
   */
  open(needed: readonly string[]): Deno.DynamicLibrary<S> {
    const file = grantedFile(this.#name);
    return file !== undefined && this.#kept !== undefined
      ? this.#kept
      : openFile(file, this.#name, this.#symbols, needed);
  }

  #keep(): Deno.DynamicLibrary<S> | undefined {
    if (Deno.build.os !== "windows") return undefined;
    try {
      const file = grantedFile(this.#name);
      if (file === undefined) return undefined;
      const { symbols } = Deno.dlopen(file, this.#symbols);
      return { symbols, close: () => {} };
    } catch {
      // open() tries again, and throws the reason.
      return undefined;
    }
  }
}

/**
 * Opens one of Windows' own libraries for a call or two: the caller closes it after use.
 *
 * @param needed See {@linkcode Library.open}.
 * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
 */
export function openOnce<S extends Deno.ForeignLibraryInterface>(
  name: string,
  symbols: S,
  needed: readonly string[],
): Deno.DynamicLibrary<S> {
  return openFile(grantedFile(name), name, symbols, needed);
}

function openFile<S extends Deno.ForeignLibraryInterface>(
  file: string | undefined,
  name: string,
  symbols: S,
  needed: readonly string[],
): Deno.DynamicLibrary<S> {
  try {
    return Deno.dlopen(file ?? SYSTEM32 + name, symbols);
  } catch (error) {
    throw isDenied(error) ? notCapable(needed, error) : error;
  }
}

/** Whether the FFI permission is granted, and not for single files only. Never prompts. */
export function isFullyGranted(): boolean {
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  return state === "granted" && !partial;
}

/**
 * The name under which the loader finds Windows' own file, if the permission for it is granted.
 *
 * With the full FFI permission that is the bare name: both libraries are KnownDLLs, which the loader
 * takes from the system directory and from nowhere else. A path could name a drive without Windows,
 * where anyone may have created the folder. With a permission for single files, Deno would resolve
 * a bare name against the working directory; so it is the path that was granted, on any drive.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/dlls/dynamic-link-library-search-order}
 */
function grantedFile(name: string): string | undefined {
  if (isFullyGranted()) return name;
  return Array.from("CDEFGHIJKLMNOPQRSTUVWXYZAB", (drive) => drive + SYSTEM32.slice(1) + name)
    .find((path) => Deno.permissions.querySync({ name: "ffi", path }).state === "granted");
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
