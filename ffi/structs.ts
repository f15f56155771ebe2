/**
 * Layouts and constants of the Windows API, under their Windows names.
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

/**
 * `SECURITY_ATTRIBUTES` on 64-bit Windows. bInheritHandle at 16 stays FALSE: a child must not keep
 * a pipe open.
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
  /** `PSID Sid`: an address further on in the same memory. */
  Sid: 0,
} as const;

/** What `GetCurrentProcess` returns, always: a handle that means the process itself. */
export const CURRENT_PROCESS = 0xffffffffffffffffn;
/** What `GetCurrentThread` returns, always. */
export const CURRENT_THREAD = 0xfffffffffffffffen;

/**
 * Allows to ask what a token says.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/access-rights-for-access-token-objects}
 */
export const TOKEN_QUERY = 0x0008;
/**
 * What to ask a token for.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/api/winnt/ne-winnt-token_information_class}
 */
export const TOKEN_INFORMATION_CLASS = {
  /** `TOKEN_USER` */
  TokenUser: 1,
  /** `TOKEN_ELEVATION`: a DWORD, not 0 if elevated. */
  TokenElevation: 20,
  /** `TOKEN_MANDATORY_LABEL` */
  TokenIntegrityLevel: 25,
} as const;

/** The only revision of the text of security descriptors. */
export const SDDL_REVISION_1 = 1;
/**
 * The owner of an object.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/secauthz/security-information}
 */
export const OWNER_SECURITY_INFORMATION = 0x00000001;
/** The access rights to an object. */
export const DACL_SECURITY_INFORMATION = 0x00000004;
/** The integrity that an object asks for. */
export const LABEL_SECURITY_INFORMATION = 0x00000010;

/** Microsoft's own words for a program that ends itself at once. */
export const STATUS_FATAL_APP_EXIT = 0x40000015;

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

/** The opposite: clients of other machines are taken. */
export const PIPE_ACCEPT_REMOTE_CLIENTS = 0x00000000;

/** Enough to ask about a pipe, and for nothing else. */
export const FILE_READ_ATTRIBUTES = 0x00000080;

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
/** The identity is that of the moment in which a message is written, not that of the opening. */
export const SECURITY_CONTEXT_TRACKING = 0x00040000;

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
