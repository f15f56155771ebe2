/**
 * The list of all pipes of this machine: the directory of the file system that pipes are in.
 *
 * @module
 */

import type { PipeEntry, PipeListing } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { KERNEL32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import { openOnce } from "./library.ts";
import { INVALID_HANDLE_VALUE, WIN32_FIND_DATAW } from "./structs.ts";
import { narrow, wide } from "./wide_strings.ts";

/** The pattern of all names. */
const ALL = "\\\\.\\pipe\\*";

/** The functions, which few programs need: a library of its own, opened when it is needed. */
export const SYMBOLS = {
  /** @see {@link https://learn.microsoft.com/windows/win32/api/errhandlingapi/nf-errhandlingapi-getlasterror} */
  GetLastError: { parameters: [], result: "u32" },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-findfirstfilew} */
  FindFirstFileW: {
    parameters: [
      "buffer", // LPCWSTR lpFileName
      "buffer", // LPWIN32_FIND_DATAW lpFindFileData
    ],
    result: "usize", // HANDLE
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-findnextfilew} */
  FindNextFileW: {
    parameters: [
      "usize", // HANDLE hFindFile
      "buffer", // LPWIN32_FIND_DATAW lpFindFileData
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-findclose} */
  FindClose: {
    parameters: [
      "usize", // HANDLE hFindFile
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions as they are called. */
export type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/**
 * Reads the list.
 *
 * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
 */
export function readPipeDirectory(): PipeListing {
  const library = openOnce(KERNEL32, SYMBOLS, [KERNEL32]);
  try {
    return readWith(library.symbols);
  } finally {
    library.close();
  }
}

/** Reads the list by these functions. */
export function readWith(calls: Calls): PipeListing {
  const data = new Uint8Array(WIN32_FIND_DATAW.size);
  const handle = calls.FindFirstFileW(wide(ALL), data);
  if (handle === INVALID_HANDLE_VALUE) {
    const status = failure(calls.GetLastError());
    return { status: status === Status.NOT_FOUND ? Status.SUCCESS : status, ...FIRST, pipes: [] };
  }
  const pipes: PipeEntry[] = [];
  let status: number;
  do {
    pipes.push(entry(data));
    status = calls.FindNextFileW(handle, data) !== 0
      ? Status.SUCCESS
      : failure(calls.GetLastError());
  } while (status === Status.SUCCESS);
  calls.FindClose(handle);
  return status === Status.NO_MORE_FILES
    ? { status: Status.SUCCESS, ...NEXT, pipes }
    : { status, ...NEXT, pipes: [] };
}

const FIRST = { call: "FindFirstFileW" };
const NEXT = { call: "FindNextFileW" };

/** One pipe: the "size of its file" is the number of its instances. */
function entry(data: Uint8Array<ArrayBuffer>): PipeEntry {
  const { nFileSizeLow, cFileName, MAX_PATH } = WIN32_FIND_DATAW;
  const instances = new DataView(data.buffer).getUint32(nFileSizeLow, true);
  return {
    name: narrow(new Uint16Array(data.buffer, cFileName, MAX_PATH)),
    instances: instances > 0 ? instances : undefined,
  };
}
