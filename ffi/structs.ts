/**
 * Layouts and constants of the Windows API, under their Windows names.
 *
 * @module
 */

/**
 * `OVERLAPPED` on 64-bit Windows. The union of Offset, OffsetHigh and Pointer at 16 stays zero,
 * since a pipe has no position.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/minwinbase/ns-minwinbase-overlapped}
 */
export const OVERLAPPED = {
  /** `ULONG_PTR Internal`: the NTSTATUS, in the low 32 bits. */
  Internal: 0,
  /** `ULONG_PTR InternalHigh`: the bytes transferred. */
  InternalHigh: 8,
  /** `HANDLE hEvent` */
  hEvent: 24,
  /** `sizeof(OVERLAPPED)` */
  size: 32,
} as const;

/**
 * `KUSER_SHARED_DATA`: the page that Windows maps into every process at the same address.
 *
 * @see {@link https://learn.microsoft.com/windows-hardware/drivers/ddi/ntddk/ns-ntddk-kuser_shared_data}
 */
export const KUSER_SHARED_DATA = {
  /** Where it is. */
  address: 0x7ffe_0000n,
  /** `ULONG NtBuildNumber` */
  NtBuildNumber: 0x260,
  /** `ULONG NtMajorVersion` */
  NtMajorVersion: 0x26c,
  /** `ULONG NtMinorVersion` */
  NtMinorVersion: 0x270,
  /** Its first bytes, which have these. */
  size: 0x274,
} as const;

/**
 * `WIN32_FIND_DATAW`.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/minwinbase/ns-minwinbase-win32_find_dataw}
 */
export const WIN32_FIND_DATAW = {
  /** `DWORD nFileSizeLow` */
  nFileSizeLow: 32,
  /** `WCHAR cFileName[MAX_PATH]` */
  cFileName: 44,
  /** Characters of `cFileName`. */
  MAX_PATH: 260,
  /** `sizeof(WIN32_FIND_DATAW)` */
  size: 592,
} as const;

/**
 * `SECURITY_ATTRIBUTES` on 64-bit Windows. bInheritHandle at 16 stays FALSE, so that no child
 * process keeps a pipe open.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/wtypesbase/ns-wtypesbase-security_attributes}
 */
export const SECURITY_ATTRIBUTES = {
  /** `DWORD nLength`: the size of the structure itself. */
  nLength: 0,
  /** `LPVOID lpSecurityDescriptor` */
  lpSecurityDescriptor: 8,
  /** `sizeof(SECURITY_ATTRIBUTES)` */
  size: 24,
} as const;

/**
 * A self-relative `SECURITY_DESCRIPTOR`.
 *
 * @see {@link https://learn.microsoft.com/openspecs/windows_protocols/ms-dtyp/7d4dac05-9cef-4563-a058-f108abecce1d}
 */
export const SECURITY_DESCRIPTOR = {
  /** `OffsetOwner`: where the owner's SID begins; 0 if there is none. */
  OffsetOwner: 4,
} as const;

/**
 * The beginning of `TOKEN_USER` and `TOKEN_MANDATORY_LABEL`.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-sid_and_attributes}
 */
export const SID_AND_ATTRIBUTES = {
  /** `PSID Sid`: an address later in the same memory. */
  Sid: 0,
} as const;

/** What `GetCurrentProcess` always returns: a handle that stands for the calling process. */
export const CURRENT_PROCESS = 0xffffffffffffffffn;
/** What `GetCurrentThread` always returns: a handle that stands for the calling thread. */
export const CURRENT_THREAD = 0xfffffffffffffffen;

/**
 * The right to read a token.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/access-rights-for-access-token-objects}
 */
export const TOKEN_QUERY = 0x0008;
/**
 * What to read from a token.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/winnt/ne-winnt-token_information_class}
 */
export const TOKEN_INFORMATION_CLASS = {
  /** `TOKEN_USER` */
  TokenUser: 1,
  /** `TOKEN_ELEVATION`: a DWORD, nonzero if elevated. */
  TokenElevation: 20,
  /** `TOKEN_MANDATORY_LABEL` */
  TokenIntegrityLevel: 25,
} as const;

/** The only revision of SDDL. */
export const SDDL_REVISION_1 = 1;
/**
 * The owner of an object, as a part of its security descriptor.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/security-information}
 */
export const OWNER_SECURITY_INFORMATION = 0x00000001;
/** The access rights to an object. */
export const DACL_SECURITY_INFORMATION = 0x00000004;
/** The integrity level of an object. */
export const LABEL_SECURITY_INFORMATION = 0x00000010;

/**
 * The right to ask what a process runs, and since when.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights}
 */
export const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;

/** The exit code of a process that terminates itself because it cannot go on safely. */
export const STATUS_FATAL_APP_EXIT = 0x40000015;

/** The NTSTATUS in the OVERLAPPED of an operation in flight, or of one that failed synchronously. */
export const STATUS_PENDING = 0x00000103;

/** The `usize` that a function returns when it fails to create a handle. */
export const INVALID_HANDLE_VALUE = 0xffffffffffffffffn;

/**
 * Both ends read and write.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-createnamedpipew}
 */
export const PIPE_ACCESS_DUPLEX = 0x00000003;
/** The server reads, and clients write. */
export const PIPE_ACCESS_INBOUND = 0x00000001;
/** The server writes, and clients read. */
export const PIPE_ACCESS_OUTBOUND = 0x00000002;
/** Fails if the name already exists. */
export const FILE_FLAG_FIRST_PIPE_INSTANCE = 0x00080000;
/** Without it every operation blocks the thread, even with an OVERLAPPED. */
export const FILE_FLAG_OVERLAPPED = 0x40000000;
/** Each write is one message. */
export const PIPE_TYPE_MESSAGE = 0x00000004;
/** What is written is a stream of bytes. */
export const PIPE_TYPE_BYTE = 0x00000000;
/** A read returns what there is, across the borders of messages. */
export const PIPE_READMODE_BYTE = 0x00000000;
/** A read returns no more than one message. */
export const PIPE_READMODE_MESSAGE = 0x00000002;
/** The mode for overlapped I/O; its opposite, PIPE_NOWAIT, is obsolete. */
export const PIPE_WAIT = 0x00000000;
/** Refuses clients of other machines. Holds for one instance, so each one needs it. */
export const PIPE_REJECT_REMOTE_CLIENTS = 0x00000008;
/** No limit. A limit given with the first instance would hold as long as the name exists. */
export const PIPE_UNLIMITED_INSTANCES = 255;

/** The opposite of PIPE_REJECT_REMOTE_CLIENTS. */
export const PIPE_ACCEPT_REMOTE_CLIENTS = 0x00000000;

/** The right to ask about a pipe, and nothing more. */
export const FILE_READ_ATTRIBUTES = 0x00000080;
/** The right to change the read mode of a pipe, which GENERIC_WRITE includes. */
export const FILE_WRITE_ATTRIBUTES = 0x00000100;

/**
 * The right to read.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew}
 */
export const GENERIC_READ = 0x80000000;
/** The right to write. */
export const GENERIC_WRITE = 0x40000000;
/** Fails if the name does not exist. */
export const OPEN_EXISTING = 3;
/** Makes the other SECURITY_ flags take effect. */
export const SECURITY_SQOS_PRESENT = 0x00100000;
/**
 * The server may not learn who the client is.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/winnt/ne-winnt-security_impersonation_level}
 */
export const SECURITY_ANONYMOUS = 0x00000000;
/** The server may learn who the client is, but not act with its rights. */
export const SECURITY_IDENTIFICATION = 0x00010000;
/** The server may act with the client's rights on this machine. */
export const SECURITY_IMPERSONATION = 0x00020000;
/** The server may act with the client's rights, on other machines too. */
export const SECURITY_DELEGATION = 0x00030000;
/** The server sees the identity that the client has when it writes, not when it opened the pipe. */
export const SECURITY_CONTEXT_TRACKING = 0x00040000;

/**
 * Returns at once.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-callnamedpipew}
 */
export const NMPWAIT_NOWAIT = 0x00000001;

/** Waits without a time limit. */
export const INFINITE = 0xffffffff;
/** The time limit of the wait has passed. */
export const WAIT_TIMEOUT = 258;
/** The wait failed. */
export const WAIT_FAILED = 0xffffffff;

/**
 * Commits memory for reserved addresses.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/memoryapi/nf-memoryapi-virtualalloc}
 */
export const MEM_COMMIT = 0x00001000;
/** Reserves addresses, without memory. */
export const MEM_RESERVE = 0x00002000;
/** Frees memory, and keeps its addresses reserved. */
export const MEM_DECOMMIT = 0x00004000;
/** Frees a whole reservation, addresses and memory. */
export const MEM_RELEASE = 0x00008000;
/** Memory that can be read and written, but not executed. */
export const PAGE_READWRITE = 0x04;
