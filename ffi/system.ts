/**
 * What this system is.
 *
 * @module
 */

import type { SystemInfo } from "../src/kernel/kernel.ts";
import { COPY_OUT, KERNEL32 } from "./kernel32.ts";
import { openOnce } from "./library.ts";
import { KUSER_SHARED_DATA } from "./structs.ts";
import { wide } from "./wide_strings.ts";

const SYMBOLS = {
  /** @see {@link https://learn.microsoft.com/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlew} */
  GetModuleHandleW: {
    parameters: [
      "buffer", // LPCWSTR lpModuleName
    ],
    result: "usize", // HMODULE
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/libloaderapi/nf-libloaderapi-getprocaddress} */
  GetProcAddress: {
    parameters: [
      "usize", // HMODULE hModule
      "buffer", // LPCSTR lpProcName
    ],
    result: "usize", // FARPROC
  },

  copyOut: COPY_OUT,
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Reads the version that Windows has told every process in its shared page, whatever the manifest of
 * the program says, and asks whether this is Wine, whose `ntdll.dll` has a function more.
 *
 * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
 */
export function readSystem(): SystemInfo {
  const library = openOnce(KERNEL32, SYMBOLS, [KERNEL32]);
  const { symbols } = library;
  try {
    const data = new Uint8Array(KUSER_SHARED_DATA.size);
    symbols.copyOut(data, KUSER_SHARED_DATA.address, BigInt(data.length));
    const view = new DataView(data.buffer);
    const { NtMajorVersion, NtMinorVersion, NtBuildNumber } = KUSER_SHARED_DATA;
    const numbers = [NtMajorVersion, NtMinorVersion, NtBuildNumber]
      .map((offset) => view.getUint32(offset, true) & 0xffff);
    const ntdll = symbols.GetModuleHandleW(wide("ntdll.dll"));
    const name = new TextEncoder().encode("wine_get_version\0");
    const wine = ntdll !== 0n && symbols.GetProcAddress(ntdll, name) !== 0n;
    return { windows: numbers.join("."), wine };
  } finally {
    library.close();
  }
}
