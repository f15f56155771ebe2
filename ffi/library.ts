/**
 * Opens a library of Windows under the narrowest permission that there is.
 *
 * @module
 */

/** Where Windows usually keeps its libraries: what errors advise to grant. */
export const SYSTEM32 = "C:\\Windows\\System32\\";

/**
 * One of Windows' own libraries.
 *
 * Opening one takes about half a millisecond for each of its functions, more than all the rest of a
 * short program. So it is opened once, at import, if that can be done without asking anybody, and
 * stays open. Not later: a library that a test was the first to open would be a leak of that test.
 * Otherwise it is opened when it is needed, and closed by whoever needed it.
 */
export class Library<S extends Deno.ForeignLibraryInterface> {
  readonly #name: string;
  readonly #symbols: S;
  readonly #kept: Deno.DynamicLibrary<S> | undefined;

  /** Opens it if this is Windows and the permission is there. Never throws, and never prompts. */
  constructor(name: string, symbols: S) {
    this.#name = name;
    this.#symbols = symbols;
    this.#kept = this.#keep();
  }

  /**
   * The library, to be closed after use.
   *
   * @param needed The files that the program needs in all: whoever lacks the permission for one is
   *   told the flag that is enough for all.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing, or was revoked.
   */
  open(needed: readonly string[]): Deno.DynamicLibrary<S> {
    const file = grantedFile(this.#name);
    if (file !== undefined && this.#kept !== undefined) return this.#kept;
    try {
      return Deno.dlopen(file ?? SYSTEM32 + this.#name, this.#symbols);
    } catch (error) {
      throw isDenied(error) ? notCapable(needed, error) : error;
    }
  }

  #keep(): Deno.DynamicLibrary<S> | undefined {
    if (Deno.build.os !== "windows") return undefined;
    try {
      const file = grantedFile(this.#name);
      if (file === undefined) return undefined;
      const { symbols } = Deno.dlopen(file, this.#symbols);
      return { symbols, close: () => {} };
    } catch {
      // Whoever needs it is told why.
      return undefined;
    }
  }
}

/**
 * What the loader may be given without asking for a permission, so that it finds Windows' own file.
 *
 * With the whole permission that is the bare name: both libraries are KnownDLLs, which the loader
 * takes from the system directory that Windows itself names, and from nowhere else. A path could lead
 * to a drive where Windows does not live, and anybody may have made the folder. With a permission
 * for single files, Deno would resolve a bare name against the working directory; then it is the
 * file that was granted by name, on whatever drive.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/dlls/dynamic-link-library-search-order}
 */
function grantedFile(name: string): string | undefined {
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  if (state === "granted" && !partial) return name;
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
