/**
 * Windows' named pipes as they are, for tests: no loop, no policy, nothing of this module.
 *
 * Every function is one call of kernel32. What Windows refuses is thrown as {@linkcode Win32Error};
 * ERROR_MORE_DATA is no refusal.
 *
 * Import it from the files below `tests/windows` and from the client process only: it opens
 * kernel32 when it is loaded, so that no test is the one that opened it.
 *
 * @module
 */

/** A HANDLE. */
export type Handle = bigint;

export const Code = {
  SUCCESS: 0,
  FILE_NOT_FOUND: 2,
  ACCESS_DENIED: 5,
  INVALID_PARAMETER: 87,
  BROKEN_PIPE: 109,
  SEM_TIMEOUT: 121,
  PIPE_BUSY: 231,
  NO_DATA: 232,
  PIPE_NOT_CONNECTED: 233,
  MORE_DATA: 234,
  /** What {@linkcode Operation.finish} throws when the operation is still in flight. */
  WAIT_TIMEOUT: 258,
  OPERATION_ABORTED: 995,
  IO_PENDING: 997,
  NOT_FOUND: 1168,
} as const;

/** A call that Windows refused. */
export class Win32Error extends Error {
  readonly code: number;
  readonly call: string;

  constructor(call: string, code: number, detail = "") {
    super(`${call} failed with error ${code}${detail}`);
    this.name = "Win32Error";
    this.call = call;
    this.code = code;
  }
}

const GENERIC_READ = 0x8000_0000;
const GENERIC_WRITE = 0x4000_0000;
const FILE_WRITE_ATTRIBUTES = 0x100;
const OPEN_EXISTING = 3;
const FILE_FLAG_OVERLAPPED = 0x4000_0000;
const SECURITY_SQOS_PRESENT = 0x0010_0000;
const SECURITY_ANONYMOUS = 0x0000_0000;
const SECURITY_IDENTIFICATION = 0x0001_0000;
const PIPE_TYPE_MESSAGE = 4;
const PIPE_READMODE_MESSAGE = 2;
const PROCESS_DUP_HANDLE = 0x40;
const PROCESS_QUERY_INFORMATION = 0x400;
const DUPLICATE_SAME_ACCESS = 2;
const WAIT_OBJECT_0 = 0;
const STATUS_PENDING = 0x103;
const INVALID_HANDLE_VALUE = 0xffff_ffff_ffff_ffffn;

const { symbols: kernel32 } = Deno.dlopen("C:\\Windows\\System32\\kernel32.dll", {
  GetLastError: { parameters: [], result: "u32" },
  // (lpFileName, dwDesiredAccess, dwShareMode, lpSecurityAttributes, dwCreationDisposition,
  // dwFlagsAndAttributes, hTemplateFile)
  CreateFileW: {
    parameters: ["buffer", "u32", "u32", "usize", "u32", "u32", "usize"],
    result: "usize",
  },
  // (hFile, lpBuffer, nNumberOfBytesToRead, lpNumberOfBytesRead, lpOverlapped)
  ReadFile: { parameters: ["usize", "buffer", "u32", "buffer", "buffer"], result: "i32" },
  // (hFile, lpBuffer, nNumberOfBytesToWrite, lpNumberOfBytesWritten, lpOverlapped)
  WriteFile: { parameters: ["usize", "buffer", "u32", "buffer", "buffer"], result: "i32" },
  CloseHandle: { parameters: ["usize"], result: "i32" },
  // (lpNamedPipeName, nTimeOut)
  WaitNamedPipeW: { parameters: ["buffer", "u32"], result: "i32" },
  // (hNamedPipe, lpMode, lpMaxCollectionCount, lpCollectDataTimeout)
  SetNamedPipeHandleState: { parameters: ["usize", "buffer", "usize", "usize"], result: "i32" },
  // (hNamedPipe, lpState, lpCurInstances, lpMaxCollectionCount, lpCollectDataTimeout, lpUserName,
  // nMaxUserNameSize)
  GetNamedPipeHandleStateW: {
    parameters: ["usize", "buffer", "buffer", "usize", "usize", "usize", "u32"],
    result: "i32",
  },
  // (lpName, dwOpenMode, dwPipeMode, nMaxInstances, nOutBufferSize, nInBufferSize, nDefaultTimeOut,
  // lpSecurityAttributes)
  CreateNamedPipeW: {
    parameters: ["buffer", "u32", "u32", "u32", "u32", "u32", "u32", "usize"],
    result: "usize",
  },
  // (lpEventAttributes, bManualReset, bInitialState, lpName)
  CreateEventW: { parameters: ["usize", "i32", "i32", "usize"], result: "usize" },
  ResetEvent: { parameters: ["usize"], result: "i32" },
  // (hHandle, dwMilliseconds)
  WaitForSingleObject: { parameters: ["usize", "u32"], result: "u32" },
  waitElsewhere: {
    name: "WaitForSingleObject",
    parameters: ["usize", "u32"],
    result: "u32",
    nonblocking: true,
  },
  // (hFile, lpOverlapped, lpNumberOfBytesTransferred, bWait)
  GetOverlappedResult: { parameters: ["usize", "buffer", "buffer", "i32"], result: "i32" },
  // (hFile, lpOverlapped)
  CancelIoEx: { parameters: ["usize", "buffer"], result: "i32" },
  GetCurrentProcess: { parameters: [], result: "usize" },
  // (dwDesiredAccess, bInheritHandle, dwProcessId)
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: "usize" },
  GetProcessId: { parameters: ["usize"], result: "u32" },
  // (hProcess, pdwHandleCount)
  GetProcessHandleCount: { parameters: ["usize", "buffer"], result: "i32" },
  // (hProcess, lpCreationTime, lpExitTime, lpKernelTime, lpUserTime)
  GetProcessTimes: { parameters: ["usize", "buffer", "buffer", "buffer", "buffer"], result: "i32" },
  // (Process, ppsmemCounters, cb)
  K32GetProcessMemoryInfo: { parameters: ["usize", "buffer", "u32"], result: "i32" },
  // (hSourceProcessHandle, hSourceHandle, hTargetProcessHandle, lpTargetHandle, dwDesiredAccess,
  // bInheritHandle, dwOptions)
  DuplicateHandle: {
    parameters: ["usize", "usize", "usize", "buffer", "u32", "i32", "u32"],
    result: "i32",
  },
});

const { symbols: ntdll } = Deno.dlopen("C:\\Windows\\System32\\ntdll.dll", {
  // (SystemInformationClass, SystemInformation, SystemInformationLength, ReturnLength)
  NtQuerySystemInformation: { parameters: ["u32", "buffer", "u32", "buffer"], result: "u32" },
});

/** To be evaluated right after the call: anything between, an `await` above all, loses the code. */
function lastError(call: string, detail?: string): Win32Error {
  return new Win32Error(call, kernel32.GetLastError(), detail);
}

/** Throws why `call` failed, if it did. */
function check(call: string, result: number): void {
  if (result === 0) throw lastError(call);
}

function wide(text: string): Uint16Array<ArrayBuffer> {
  const units = new Uint16Array(text.length + 1);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return units;
}

function dword(value = 0): Uint32Array<ArrayBuffer> {
  return new Uint32Array([value]);
}

function at(words: ArrayLike<number>, index: number): number {
  const value = words[index];
  if (value === undefined) throw new RangeError(`No word ${index}`);
  return value;
}

/** What {@linkcode openPipe} asks for. */
export interface OpenOptions {
  /** GENERIC_READ, GENERIC_WRITE, both, or no access at all. @default {"duplex"} */
  access?: "duplex" | "read" | "write" | "none" | undefined;
  /** FILE_FLAG_OVERLAPPED. @default {false} */
  overlapped?: boolean | undefined;
  /** Switch to PIPE_READMODE_MESSAGE; every client starts in byte mode. @default {false} */
  messageMode?: boolean | undefined;
  /** SECURITY_ANONYMOUS: the server may not know who the client is. @default {false} */
  anonymous?: boolean | undefined;
  /** SECURITY_IDENTIFICATION without tracking: the client is known as it opens. @default {false} */
  fixed?: boolean | undefined;
}

/** CreateFileW, and SetNamedPipeHandleState for `messageMode`. */
export function openPipe(path: string, options: OpenOptions = {}): Handle {
  const { access = "duplex", overlapped = false, messageMode = false } = options;
  const { anonymous = false, fixed = false } = options;
  let desired = 0;
  if (access === "duplex" || access === "read") desired |= GENERIC_READ;
  if (access === "duplex" || access === "write") desired |= GENERIC_WRITE;
  // Without it a client that only reads may not change its read mode.
  if (messageMode && access === "read") desired |= FILE_WRITE_ATTRIBUTES;
  const flags = (overlapped ? FILE_FLAG_OVERLAPPED : 0) |
    (anonymous ? SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS : 0) |
    (fixed ? SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION : 0);
  const handle = kernel32.CreateFileW(wide(path), desired >>> 0, 0, 0n, OPEN_EXISTING, flags, 0n);
  if (handle === INVALID_HANDLE_VALUE) throw lastError("CreateFileW", ` for ${path}`);
  const mode = dword(PIPE_READMODE_MESSAGE);
  if (messageMode && kernel32.SetNamedPipeHandleState(handle, mode, 0n, 0n) === 0) {
    const error = lastError("SetNamedPipeHandleState");
    closeHandle(handle);
    throw error;
  }
  return handle;
}

/** CloseHandle. */
export function closeHandle(handle: Handle): void {
  check("CloseHandle", kernel32.CloseHandle(handle));
}

/** WaitNamedPipeW: blocks this thread for as long as `milliseconds` says; 0 is the pipe's default. */
export function waitNamedPipe(path: string, milliseconds: number): void {
  check("WaitNamedPipeW", kernel32.WaitNamedPipeW(wide(path), milliseconds));
}

/** GetNamedPipeHandleStateW: how many instances the pipe has. */
export function countInstances(handle: Handle): number {
  const count = dword();
  check(
    "GetNamedPipeHandleStateW",
    kernel32.GetNamedPipeHandleStateW(handle, null, count, 0n, 0n, 0n, 0),
  );
  return at(count, 0);
}

/** What was read; `more` is ERROR_MORE_DATA: the message goes on. */
export interface Received {
  bytes: Uint8Array<ArrayBuffer>;
  more: boolean;
}

/** ReadFile on a handle that is not overlapped: blocks until something can be read. */
export function read(handle: Handle, size: number): Received {
  const buffer = new Uint8Array(size);
  const count = dword();
  const more = kernel32.ReadFile(handle, buffer, size, count, null) === 0;
  if (more) {
    const code = kernel32.GetLastError();
    if (code !== Code.MORE_DATA) throw new Win32Error("ReadFile", code);
  }
  return { bytes: buffer.subarray(0, at(count, 0)), more };
}

/** WriteFile on a handle that is not overlapped: blocks until Windows took all of it. */
export function write(handle: Handle, bytes: Uint8Array<ArrayBuffer>): number {
  const count = dword();
  check("WriteFile", kernel32.WriteFile(handle, bytes, bytes.length, count, null));
  return at(count, 0);
}

/** What {@linkcode createPipe} makes. */
export interface CreateOptions {
  /** @default {"duplex"} */
  access?: "duplex" | "inbound" | undefined;
  /** nMaxInstances. @default {255} */
  maxInstances?: number | undefined;
}

/** CreateNamedPipeW: one instance in message mode. */
export function createPipe(path: string, options: CreateOptions = {}): Handle {
  const { access = "duplex", maxInstances = 255 } = options;
  const mode = (access === "duplex" ? 3 : 1) | FILE_FLAG_OVERLAPPED;
  const kind = PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE;
  const handle = kernel32.CreateNamedPipeW(
    wide(path),
    mode,
    kind,
    maxInstances,
    8192,
    8192,
    5000,
    0n,
  );
  if (handle === INVALID_HANDLE_VALUE) throw lastError("CreateNamedPipeW", ` for ${path}`);
  return handle;
}

/** CreateEventW: unnamed and manual-reset. */
export function createEvent(): Handle {
  const event = kernel32.CreateEventW(0n, 1, 0, 0n);
  if (event === 0n) throw lastError("CreateEventW");
  return event;
}

/** ResetEvent. */
export function resetEvent(event: Handle): void {
  check("ResetEvent", kernel32.ResetEvent(event));
}

/** WaitForSingleObject: blocks this thread; whether the object was signalled in time. */
export function waitFor(handle: Handle, milliseconds: number): boolean {
  const result = kernel32.WaitForSingleObject(handle, milliseconds);
  if (result === WAIT_OBJECT_0) return true;
  if (result === Code.WAIT_TIMEOUT) return false;
  throw lastError("WaitForSingleObject");
}

/** WaitForSingleObject on another thread: the event loop goes on meanwhile. */
export async function waitForLater(handle: Handle, milliseconds: number): Promise<boolean> {
  const result = await kernel32.waitElsewhere(handle, milliseconds);
  if (result === WAIT_OBJECT_0) return true;
  if (result === Code.WAIT_TIMEOUT) return false;
  // Its reason stayed on the other thread.
  throw new Win32Error("WaitForSingleObject", Code.SUCCESS, ", reason unknown");
}

/** What is in flight: kept from being collected. */
const inFlight = new Set<Operation>();

/**
 * An overlapped operation: {@linkcode startRead} and {@linkcode startWrite} make them.
 *
 * What fails at once is thrown there, and no operation comes into being. One that is never
 * finished keeps its memory for ever, since Windows may still write to it.
 */
export class Operation {
  readonly #call: string;
  readonly #handle: Handle;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  // Internal, InternalHigh, Offset and OffsetHigh, hEvent.
  readonly #overlapped = new BigUint64Array(4);
  readonly #internal = new Int32Array(this.#overlapped.buffer, 0, 1);
  readonly #event: Handle;
  #ownsEvent: boolean;

  /**
   * @param event What to signal, if several operations share an event; they are then to be watched
   * by {@linkcode done}, since every submission clears it.
   */
  constructor(
    call: "ReadFile" | "WriteFile",
    handle: Handle,
    buffer: Uint8Array<ArrayBuffer>,
    event: Handle | undefined,
  ) {
    this.#call = call;
    this.#handle = handle;
    this.#buffer = buffer;
    this.#ownsEvent = event === undefined;
    this.#event = event ?? createEvent();
    this.#overlapped[3] = this.#event;
    if (kernel32[call](handle, buffer, buffer.length, null, this.#overlapped) === 0) {
      const code = kernel32.GetLastError();
      if (code !== Code.IO_PENDING && code !== Code.MORE_DATA) {
        this.#release();
        throw new Win32Error(call, code);
      }
    }
    inFlight.add(this);
  }

  /** Whether it is over, however it went. */
  get done(): boolean {
    return Atomics.load(this.#internal, 0) !== STATUS_PENDING;
  }

  /** GetOverlappedResult of an operation that is over. */
  finish(): Received {
    if (!this.done) throw new Win32Error("GetOverlappedResult", Code.WAIT_TIMEOUT);
    const count = dword();
    const result = kernel32.GetOverlappedResult(this.#handle, this.#overlapped, count, 0);
    const code = result !== 0 ? Code.SUCCESS : kernel32.GetLastError();
    this.#release();
    if (code !== Code.SUCCESS && code !== Code.MORE_DATA) throw new Win32Error(this.#call, code);
    return { bytes: this.#buffer.subarray(0, at(count, 0)), more: code === Code.MORE_DATA };
  }

  /** Waits for the end on another thread, at most 10 s, and finishes it. Not for a shared event. */
  async finished(): Promise<Received> {
    if (!this.done) await waitForLater(this.#event, 10_000);
    return this.finish();
  }

  /** CancelIoEx; ERROR_NOT_FOUND if it is over. It still has to be finished. */
  cancel(): void {
    check("CancelIoEx", kernel32.CancelIoEx(this.#handle, this.#overlapped));
  }

  #release(): void {
    inFlight.delete(this);
    if (!this.#ownsEvent) return;
    this.#ownsEvent = false;
    closeHandle(this.#event);
  }
}

/** ReadFile on an overlapped handle. */
export function startRead(handle: Handle, size: number, event?: Handle): Operation {
  return new Operation("ReadFile", handle, new Uint8Array(size), event);
}

/** WriteFile on an overlapped handle. The bytes must stay as they are until it is over. */
export function startWrite(
  handle: Handle,
  bytes: Uint8Array<ArrayBuffer>,
  event?: Handle,
): Operation {
  return new Operation("WriteFile", handle, bytes, event);
}

/** OpenProcess: to look at another process, and to give it handles. */
export function openProcess(processId: number): Handle {
  const access = PROCESS_DUP_HANDLE | PROCESS_QUERY_INFORMATION;
  const handle = kernel32.OpenProcess(access, 0, processId);
  if (handle === 0n) throw lastError("OpenProcess", ` for process ${processId}`);
  return handle;
}

/** DuplicateHandle out of this process; the result is a handle of the other. */
export function duplicateHandle(
  handle: Handle,
  process: Handle = kernel32.GetCurrentProcess(),
): Handle {
  const copy = new BigUint64Array(1);
  check(
    "DuplicateHandle",
    kernel32.DuplicateHandle(
      kernel32.GetCurrentProcess(),
      handle,
      process,
      copy,
      0,
      0,
      DUPLICATE_SAME_ACCESS,
    ),
  );
  return copy[0] ?? 0n;
}

/** GetProcessHandleCount; under Wine, where that is always 0, counted in the list of all handles. */
export function processHandleCount(process: Handle = kernel32.GetCurrentProcess()): number {
  const count = dword();
  check("GetProcessHandleCount", kernel32.GetProcessHandleCount(process, count));
  return at(count, 0) || listedHandles(BigInt(kernel32.GetProcessId(process)));
}

/** The entries of a process in SYSTEM_HANDLE_INFORMATION_EX. */
function listedHandles(processId: bigint): number {
  const SYSTEM_EXTENDED_HANDLE_INFORMATION = 64;
  // The number of handles and a reserved word, then five words a handle.
  const words = new BigUint64Array(1024 * 1024);
  const status = ntdll.NtQuerySystemInformation(
    SYSTEM_EXTENDED_HANDLE_INFORMATION,
    words,
    words.byteLength,
    dword(),
  );
  if (status !== 0) throw new Win32Error("NtQuerySystemInformation", status);
  const end = 2 + 5 * Number(words[0]);
  let handles = 0;
  for (let entry = 2; entry < end; entry += 5) if (words[entry + 1] === processId) handles++;
  return handles;
}

/** GetProcessTimes, in milliseconds. */
export function processTimes(
  process: Handle = kernel32.GetCurrentProcess(),
): { kernel: number; user: number } {
  // FILETIMEs: 100 ns each.
  const kernel = new BigUint64Array(1);
  const user = new BigUint64Array(1);
  const unused = new BigUint64Array(1);
  check(
    "GetProcessTimes",
    kernel32.GetProcessTimes(process, unused, unused, kernel, user),
  );
  return { kernel: Number(kernel[0]) / 1e4, user: Number(user[0]) / 1e4 };
}

/** PrivateUsage of K32GetProcessMemoryInfo, in bytes; Wine leaves it 0 but tells PagefileUsage. */
export function privateBytes(process: Handle = kernel32.GetCurrentProcess()): number {
  // PROCESS_MEMORY_COUNTERS_EX: PagefileUsage is the eighth word, PrivateUsage the tenth.
  const counters = new BigUint64Array(10);
  check(
    "K32GetProcessMemoryInfo",
    kernel32.K32GetProcessMemoryInfo(process, counters, counters.byteLength),
  );
  return Number(counters[9]) || Number(counters[7]);
}
