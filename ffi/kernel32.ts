/**
 * The functions of kernel32.dll that this module calls, and how the library is opened.
 *
 * Every address, handle and SIZE_T is a `usize` and must be passed as a `bigint`: with a single
 * JavaScript number in its place the whole call leaves V8's fast path and takes four times as long.
 * `buffer` is for memory that Windows accesses only during the call. No parameter and no result is
 * a `pointer`, because converting one to a number requires the FFI permission for all libraries.
 *
 * @module
 */

import { Library, SYSTEM32 } from "./library.ts";

/** The name of the library's file. */
export const KERNEL32 = "kernel32.dll";

/** The usual path of the library's file. */
export const KERNEL32_PATH: string = SYSTEM32 + KERNEL32;

/**
 * Copies from native memory, for which a permission for single libraries leaves no other way.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/devnotes/rtlmovememory}
 */
export const COPY_OUT = {
  name: "RtlMoveMemory",
  parameters: [
    "buffer", // VOID *Destination
    "usize", // const VOID *Source
    "usize", // SIZE_T Length
  ],
  result: "void",
} as const satisfies Deno.ForeignLibraryInterface[string];

const WAIT = {
  parameters: [
    "u32", // DWORD nCount
    "usize", // const HANDLE *lpHandles
    "i32", // BOOL bWaitAll
    "u32", // DWORD dwMilliseconds
  ],
  result: "u32",
} as const satisfies Deno.ForeignLibraryInterface[string];

/** The functions, for {@linkcode Deno.dlopen}. */
export const SYMBOLS = {
  /** @see {@link https://learn.microsoft.com/windows/win32/api/errhandlingapi/nf-errhandlingapi-getlasterror} */
  GetLastError: { parameters: [], result: "u32" },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/handleapi/nf-handleapi-closehandle} */
  CloseHandle: {
    parameters: [
      "usize", // HANDLE hObject
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createnamedpipew} */
  CreateNamedPipeW: {
    parameters: [
      "buffer", // LPCWSTR lpName
      "u32", // DWORD dwOpenMode
      "u32", // DWORD dwPipeMode
      "u32", // DWORD nMaxInstances
      "u32", // DWORD nOutBufferSize
      "u32", // DWORD nInBufferSize
      "u32", // DWORD nDefaultTimeOut
      "buffer", // LPSECURITY_ATTRIBUTES lpSecurityAttributes
    ],
    result: "usize", // HANDLE
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew} */
  CreateFileW: {
    parameters: [
      "buffer", // LPCWSTR lpFileName
      "u32", // DWORD dwDesiredAccess
      "u32", // DWORD dwShareMode
      "usize", // LPSECURITY_ATTRIBUTES lpSecurityAttributes
      "u32", // DWORD dwCreationDisposition
      "u32", // DWORD dwFlagsAndAttributes
      "usize", // HANDLE hTemplateFile
    ],
    result: "usize", // HANDLE
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-connectnamedpipe} */
  ConnectNamedPipe: {
    parameters: [
      "usize", // HANDLE hNamedPipe
      "usize", // LPOVERLAPPED lpOverlapped
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid} */
  GetNamedPipeClientProcessId: {
    parameters: [
      "usize", // HANDLE Pipe
      "buffer", // PULONG ClientProcessId
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientsessionid} */
  GetNamedPipeClientSessionId: {
    parameters: [
      "usize", // HANDLE Pipe
      "buffer", // PULONG ClientSessionId
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeserverprocessid} */
  GetNamedPipeServerProcessId: {
    parameters: [
      "usize", // HANDLE Pipe
      "buffer", // PULONG ServerProcessId
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeserversessionid} */
  GetNamedPipeServerSessionId: {
    parameters: [
      "usize", // HANDLE Pipe
      "buffer", // PULONG ServerSessionId
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-getnamedpipeinfo} */
  GetNamedPipeInfo: {
    parameters: [
      "usize", // HANDLE hNamedPipe
      "buffer", // LPDWORD lpFlags
      "usize", // LPDWORD lpOutBufferSize
      "usize", // LPDWORD lpInBufferSize
      "usize", // LPDWORD lpMaxInstances
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-disconnectnamedpipe} */
  DisconnectNamedPipe: {
    parameters: [
      "usize", // HANDLE hNamedPipe
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-setnamedpipehandlestate} */
  SetNamedPipeHandleState: {
    parameters: [
      "usize", // HANDLE hNamedPipe
      "buffer", // LPDWORD lpMode
      "usize", // LPDWORD lpMaxCollectionCount
      "usize", // LPDWORD lpCollectDataTimeout
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-waitnamedpipew} */
  WaitNamedPipeW: {
    parameters: [
      "buffer", // LPCWSTR lpNamedPipeName
      "u32", // DWORD nTimeOut
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-peeknamedpipe} */
  PeekNamedPipe: {
    parameters: [
      "usize", // HANDLE hNamedPipe
      "usize", // LPVOID lpBuffer
      "u32", // DWORD nBufferSize
      "usize", // LPDWORD lpBytesRead
      "usize", // LPDWORD lpTotalBytesAvail
      "buffer", // LPDWORD lpBytesLeftThisMessage
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-readfile} */
  ReadFile: {
    parameters: [
      "usize", // HANDLE hFile
      "usize", // LPVOID lpBuffer
      "u32", // DWORD nNumberOfBytesToRead
      "usize", // LPDWORD lpNumberOfBytesRead
      "usize", // LPOVERLAPPED lpOverlapped
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-writefile} */
  WriteFile: {
    parameters: [
      "usize", // HANDLE hFile
      "usize", // LPCVOID lpBuffer
      "u32", // DWORD nNumberOfBytesToWrite
      "usize", // LPDWORD lpNumberOfBytesWritten
      "usize", // LPOVERLAPPED lpOverlapped
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-cancelioex} */
  CancelIoEx: {
    parameters: [
      "usize", // HANDLE hFile
      "usize", // LPOVERLAPPED lpOverlapped
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getoverlappedresult} */
  GetOverlappedResult: {
    parameters: [
      "usize", // HANDLE hFile
      "usize", // LPOVERLAPPED lpOverlapped
      "buffer", // LPDWORD lpNumberOfBytesTransferred
      "i32", // BOOL bWait
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-createeventw} */
  CreateEventW: {
    parameters: [
      "usize", // LPSECURITY_ATTRIBUTES lpEventAttributes
      "i32", // BOOL bManualReset
      "i32", // BOOL bInitialState
      "usize", // LPCWSTR lpName
    ],
    result: "usize", // HANDLE
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-setevent} */
  SetEvent: {
    parameters: [
      "usize", // HANDLE hEvent
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-resetevent} */
  ResetEvent: {
    parameters: [
      "usize", // HANDLE hEvent
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitformultipleobjects} */
  WaitForMultipleObjects: WAIT,

  /**
   * WaitForMultipleObjects on a thread of Deno's pool. Its last error stays there, out of reach.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/synchapi/nf-synchapi-waitformultipleobjects}
   */
  parkForMultipleObjects: { ...WAIT, name: "WaitForMultipleObjects", nonblocking: true },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/memoryapi/nf-memoryapi-virtualalloc} */
  VirtualAlloc: {
    parameters: [
      "usize", // LPVOID lpAddress
      "usize", // SIZE_T dwSize
      "u32", // DWORD flAllocationType
      "u32", // DWORD flProtect
    ],
    result: "usize", // LPVOID
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/memoryapi/nf-memoryapi-virtualfree} */
  VirtualFree: {
    parameters: [
      "usize", // LPVOID lpAddress
      "usize", // SIZE_T dwSize
      "u32", // DWORD dwFreeType
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-localfree} */
  LocalFree: {
    parameters: [
      "usize", // HLOCAL hMem
    ],
    result: "usize", // HLOCAL
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-openprocess} */
  OpenProcess: {
    parameters: [
      "u32", // DWORD dwDesiredAccess
      "i32", // BOOL bInheritHandle
      "u32", // DWORD dwProcessId
    ],
    result: "usize", // HANDLE
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-queryfullprocessimagenamew} */
  QueryFullProcessImageNameW: {
    parameters: [
      "usize", // HANDLE hProcess
      "u32", // DWORD dwFlags
      "buffer", // LPWSTR lpExeName
      "buffer", // PDWORD lpdwSize
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-getprocesstimes} */
  GetProcessTimes: {
    parameters: [
      "usize", // HANDLE hProcess
      "buffer", // LPFILETIME lpCreationTime
      "buffer", // LPFILETIME lpExitTime
      "buffer", // LPFILETIME lpKernelTime
      "buffer", // LPFILETIME lpUserTime
    ],
    result: "i32",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemtimeasfiletime} */
  GetSystemTimeAsFileTime: {
    parameters: [
      "buffer", // LPFILETIME lpSystemTimeAsFileTime
    ],
    result: "void",
  },

  /** @see {@link https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-terminateprocess} */
  TerminateProcess: {
    parameters: [
      "usize", // HANDLE hProcess
      "u32", // UINT uExitCode
    ],
    result: "i32",
  },

  copyOut: COPY_OUT,

  /**
   * Copies to native memory.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/devnotes/rtlmovememory}
   */
  copyIn: {
    name: "RtlMoveMemory",
    parameters: [
      "usize", // VOID *Destination
      "buffer", // const VOID *Source
      "usize", // SIZE_T Length
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened library. */
export type Kernel32 = Deno.DynamicLibrary<typeof SYMBOLS>;

const library = new Library(KERNEL32, SYMBOLS);

/**
 * Opens kernel32.dll.
 *
 * @param needed See {@linkcode Library.open}. Default: kernel32.dll alone.
 * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
 */
export function openKernel32(needed: readonly string[] = [KERNEL32]): Kernel32 {
  return library.open(needed);
}
