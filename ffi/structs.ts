/**
 * The layouts, constants and strings of the Windows API that this module uses, under the names that
 * Windows gives them.
 *
 * @module
 */

/**
 * `OVERLAPPED` on 64-bit Windows. The union of Offset, OffsetHigh and Pointer at 16 stays zero:
 * a pipe has no position.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/minwinbase/ns-minwinbase-overlapped}
 */
export const OVERLAPPED = {
  /** `ULONG_PTR Internal`: the NTSTATUS, of which only the low 32 bits count. */
  Internal: 0,
  /** `ULONG_PTR InternalHigh`: the bytes transferred. */
  InternalHigh: 8,
  /** `HANDLE hEvent` */
  hEvent: 24,
  /** `sizeof(OVERLAPPED)` */
  size: 32,
} as const;

/** The NTSTATUS of an operation in flight, and of one that failed synchronously. */
export const STATUS_PENDING = 0x00000103;

/** What a function that makes a handle returns instead of one, read as `usize`. */
export const INVALID_HANDLE_VALUE = 0xffffffffffffffffn;

/**
 * Both directions.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createnamedpipew}
 */
export const PIPE_ACCESS_DUPLEX = 0x00000003;
/** The name must not exist yet. */
export const FILE_FLAG_FIRST_PIPE_INSTANCE = 0x00080000;
/** Without it, every operation blocks the thread, OVERLAPPED or not. */
export const FILE_FLAG_OVERLAPPED = 0x40000000;
/** What is written stays a message. */
export const PIPE_TYPE_MESSAGE = 0x00000004;
/** What is read is one message. */
export const PIPE_READMODE_MESSAGE = 0x00000002;
/** Not the obsolete PIPE_NOWAIT. */
export const PIPE_WAIT = 0x00000000;
/** Belongs to the instance, not to the pipe: each one needs it. */
export const PIPE_REJECT_REMOTE_CLIENTS = 0x00000008;
/** No limit. The limit of the first instance would hold for the life of the name. */
export const PIPE_UNLIMITED_INSTANCES = 255;

/**
 * One half of the access of a duplex client.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew}
 */
export const GENERIC_READ = 0x80000000;
/** The other half. */
export const GENERIC_WRITE = 0x40000000;
/** Opens only what exists. */
export const OPEN_EXISTING = 3;
/** The bits of SECURITY_IDENTIFICATION mean something. */
export const SECURITY_SQOS_PRESENT = 0x00100000;
/** The server may learn who the client is, and not act in its name. */
export const SECURITY_IDENTIFICATION = 0x00010000;

/**
 * Does not wait.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-callnamedpipew}
 */
export const NMPWAIT_NOWAIT = 0x00000001;

/** A wait without end. */
export const INFINITE = 0xffffffff;
/** The wait ended because its time was over. */
export const WAIT_TIMEOUT = 258;
/** The wait could not be done. */
export const WAIT_FAILED = 0xffffffff;

/**
 * Takes memory for reserved addresses.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/memoryapi/nf-memoryapi-virtualalloc}
 */
export const MEM_COMMIT = 0x00001000;
/** Takes addresses, and no memory. */
export const MEM_RESERVE = 0x00002000;
/** Gives back memory, and keeps its addresses out of use. */
export const MEM_DECOMMIT = 0x00004000;
/** Gives back a whole reservation. */
export const MEM_RELEASE = 0x00008000;
/** Memory to read and write, and not to execute. */
export const PAGE_READWRITE = 0x04;

/** A string as Windows reads it: UTF-16, ended by a NUL. */
export function wide(text: string): Uint16Array<ArrayBuffer> {
  const units = new Uint16Array(text.length + 1);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return units;
}
