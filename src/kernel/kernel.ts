/**
 * The seam: the operating system as this module sees it.
 *
 * Everything above it is plain TypeScript that runs anywhere; everything below it is an
 * implementation of {@linkcode Kernel}. No call throws and none blocks: each says how it went by
 * its return value. The contract that every implementation keeps:
 *
 * 1. A submission ({@linkcode Kernel.listen}, {@linkcode Kernel.read}, {@linkcode Kernel.write})
 *    that returns one of the statuses in {@linkcode BELIEVED} is over by then, and no completion
 *    follows. {@linkcode Status.PENDING} means that exactly one completion follows, cancelled or
 *    not. Any other status says nothing about the operation: {@linkcode Kernel.cancel} decides.
 * 2. The memory of an operation belongs to the kernel until its completion was observed, that is,
 *    until {@linkcode Kernel.status} returned something other than PENDING.
 * 3. Nothing else ever happens.
 *
 * @module
 */

/**
 * How a call or an operation ended. The values are the codes of Windows' system errors, so that a
 * status that has no name here can still be passed on and shown.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/debug/system-error-codes}
 */
export const Status = {
  /** Not from Windows: there was no memory of our own for the operation, and nothing was submitted. */
  NOT_SUBMITTED: -2,
  /** A call returned FALSE and the reason was lost: never a success. */
  UNKNOWN: -1,
  /** Done. */
  SUCCESS: 0,
  /** There is no pipe of this name. */
  NOT_FOUND: 2,
  /** The security descriptor of the pipe, or of its name, forbids it. */
  ACCESS_DENIED: 5,
  /** The handle is not, or no longer, one of an open pipe. */
  INVALID_HANDLE: 6,
  /** Not enough memory. */
  OUT_OF_MEMORY: 8,
  /** An argument that this kind of pipe does not take, message mode on a byte pipe among them. */
  INVALID_PARAMETER: 87,
  /** The other end is closed, and all that it wrote was read. */
  BROKEN: 109,
  /** What was asked for is longer than the memory given for it. */
  INSUFFICIENT_BUFFER: 122,
  /** The pipe's name is malformed, or a part of it is a pipe itself. */
  INVALID_NAME: 123,
  /** No instance of the pipe is free, or the name has all its instances. */
  BUSY: 231,
  /** The other end is closed. */
  NO_DATA: 232,
  /** The server disconnected this connection. */
  DISCONNECTED: 233,
  /** The message is longer than the memory given: what fits was delivered, the rest waits. */
  MORE_DATA: 234,
  /** A client was there before the server listened. */
  ALREADY_CONNECTED: 535,
  /** The operation was cancelled. */
  CANCELLED: 995,
  /** In flight: exactly one completion follows. */
  PENDING: 997,
  /** Nothing is in flight that could be cancelled. */
  NOTHING_TO_CANCEL: 1168,
  /** Nobody can tell who the client is. */
  CANNOT_IMPERSONATE: 1368,
  /** Not enough of some system resource. */
  NO_SYSTEM_RESOURCES: 1450,
  /** A buffer that the system could not use: one more word for a shortage. */
  INVALID_USER_BUFFER: 1784,
  /** The quota of the process is used up. */
  NOT_ENOUGH_QUOTA: 1816,
} as const;

/** What happened to all of a kind of operations; see {@linkcode Kernel.snapshot}. */
export type Lane = typeof Lane.IN | typeof Lane.OUT;

/** Each slot has two operations, one a lane, so that one read and one write may be in flight. */
export const Lane = {
  /** Listens and reads. */
  IN: 0,
  /** Writes. */
  OUT: 1,
} as const;

const SHORTAGES: readonly number[] = [
  Status.NOT_SUBMITTED,
  Status.OUT_OF_MEMORY,
  Status.NO_SYSTEM_RESOURCES,
  Status.INVALID_USER_BUFFER,
  Status.NOT_ENOUGH_QUOTA,
];

const ENDS: readonly number[] = [Status.BROKEN, Status.NO_DATA, Status.DISCONNECTED];

/**
 * Whether a status speaks of a shortage, which passes.
 *
 * A listen, a read or a peek can then be tried again: a listen moves no data, and a read that fails
 * has taken none. A write cannot, unless it is NOT_SUBMITTED: Windows fills a read that waits with
 * the beginning of the message before it allocates memory for the rest, so a part may have arrived.
 */
export function isShortage(status: number): boolean {
  return SHORTAGES.includes(status);
}

/** Whether a status says that the other end is gone. */
export function isEnd(status: number): boolean {
  return ENDS.includes(status);
}

/**
 * The statuses with which a submission may be over at once. Anything else that comes with FALSE is
 * a last error that something else may have overwritten, and says nothing about the operation.
 */
export const BELIEVED: {
  readonly listen: ReadonlySet<number>;
  readonly read: ReadonlySet<number>;
  readonly write: ReadonlySet<number>;
} = {
  listen: new Set<number>([
    Status.SUCCESS,
    Status.ALREADY_CONNECTED,
    Status.NO_DATA,
    Status.INVALID_HANDLE,
    ...SHORTAGES,
  ]),
  read: new Set<number>([
    Status.SUCCESS,
    Status.MORE_DATA,
    Status.INVALID_HANDLE,
    ...ENDS,
    ...SHORTAGES,
  ]),
  write: new Set<number>([Status.SUCCESS, Status.INVALID_HANDLE, ...ENDS, ...SHORTAGES]),
};

/** An open end of a pipe. Only the kernel that made it knows what the value means. */
export type Handle = bigint;

/** What an instance of a pipe is created with. */
export interface PipeSpec {
  /** The full name, `\\.\pipe\…`. */
  readonly path: string;
  /** Bytes that the system holds for what clients wrote and the server has not read yet. */
  readonly readBufferSize: number;
  /** Bytes that the system holds for what the server wrote and a client has not read yet. */
  readonly writeBufferSize: number;
  /** Milliseconds that a client's WaitNamedPipe waits by default. */
  readonly waitTimeout: number;
  /**
   * The security descriptor of the name, in SDDL, which {@linkcode Kernel.acceptsSecurity} has
   * accepted. Undefined: what the system gives by default. Only the first instance's word counts.
   */
  readonly security: string | undefined;
  /** Whether clients of other machines are taken. */
  readonly remote: boolean;
}

/** A call that makes a handle: `handle` has a meaning only with {@linkcode Status.SUCCESS}. */
export interface Opened {
  readonly status: number;
  readonly handle: Handle;
}

/** What {@linkcode Kernel.peek} saw: `left` has a meaning only with {@linkcode Status.SUCCESS}. */
export interface Peeked {
  readonly status: number;
  /** Bytes left in the message at the head of the pipe, 0 when there is none. */
  readonly left: number;
}

/** What a call about users or access rights told: `text` has a meaning only with SUCCESS. */
export interface Told {
  readonly status: number;
  /** The Windows function that failed, or was the last. */
  readonly call: string;
  readonly text: string;
}

/** Who a client is, by its own token. */
export interface Identity {
  /** The security identifier of its user, `S-1-…`. */
  readonly sid: string;
  /** The last number of the SID of its integrity level. */
  readonly integrity: number;
  /** Whether it runs with the rights of an administrator. */
  readonly elevated: boolean;
}

/** What {@linkcode Kernel.identify} found: `identity` is there only with SUCCESS. */
export interface Identified {
  readonly status: number;
  /** The Windows function that failed, or was the last. */
  readonly call: string;
  readonly identity: Identity | undefined;
}

/** A timer that {@linkcode Kernel.startTimer} started. */
export type Timer = number;

/**
 * The operating system, as far as this module needs one. A *slot* is the memory of one pipe end's
 * operations; the caller numbers them from 0, densely, and says when one is free.
 */
export interface Kernel {
  /**
   * Creates an instance of a message pipe. It takes clients from now on, before anything listens:
   * listen at once, since a client that comes before may never be identified. With `first`, the name
   * must not exist: ACCESS_DENIED or BUSY.
   */
  create(pipe: PipeSpec, first: boolean): Opened;

  /** Opens the client's end of a pipe, in byte read mode: NOT_FOUND or BUSY when it cannot now. */
  open(path: string): Opened;

  /** Makes reads of a client's end keep messages apart; INVALID_PARAMETER when the pipe cannot. */
  keepMessages(handle: Handle): number;

  /** Whether a pipe of this name exists now. */
  exists(path: string): boolean;

  /** Submits: wait for a client. Lane IN of `slot`. */
  listen(handle: Handle, slot: number): number;

  /** Submits: read one message of at most `size` bytes into the slot's memory. Lane IN. */
  read(handle: Handle, slot: number, size: number): number;

  /** Submits: write one message, copied into the slot's memory before this returns. Lane OUT. */
  write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number;

  /**
   * Asks for the end of one operation. SUCCESS: it was in flight, and its one completion still
   * follows, whatever it says. NOTHING_TO_CANCEL: nothing is in flight, which settles a submission
   * whose status could not be believed.
   */
  cancel(handle: Handle, lane: Lane, slot: number): number;

  /** How much of the message at the head of the pipe is unread. */
  peek(handle: Handle): Peeked;

  /** The process that is at the client's end; undefined if the system does not tell. */
  clientProcess(handle: Handle): number | undefined;

  /** The session that this process is in; undefined if the system does not tell. */
  clientSession(handle: Handle): number | undefined;

  /**
   * The process that serves a name; undefined if the system does not tell. To ask takes an
   * instance of that server for a moment, as a client that comes and goes.
   */
  serverProcess(path: string): number | undefined;

  /** The SID of the user that this process runs as. */
  ownUser(): Told;

  /** Whether a security descriptor, in SDDL, can be used. If so it is kept for `create`. */
  acceptsSecurity(sddl: string): number;

  /** The security descriptor that is in force for an open pipe, in SDDL. */
  security(handle: Handle): Told;

  /** The SID of the owner of an open pipe. */
  owner(handle: Handle): Told;

  /**
   * Who the client is that wrote the last message that was read. Between the read and this, nothing
   * may be submitted. CANNOT_IMPERSONATE if it wants to be known as it was when it connected, and
   * that was before the listen, which forgets who is there.
   */
  identify(handle: Handle): Identified;

  /**
   * The name of an account, `DOMAIN\\name`, asked off this thread, and perhaps of other machines;
   * undefined if it has none or the system does not tell.
   */
  accountName(sid: string): Promise<string | undefined>;

  /** Throws the client out: both ends see it at once, and what is unread is destroyed. */
  disconnect(handle: Handle): number;

  /** Closes a handle. Nothing may be in flight on it, unless the program goes away. */
  close(handle: Handle): number;

  /** Takes one picture of a whole lane, for {@linkcode Kernel.seemsPending}. */
  snapshot(lane: Lane): void;

  /**
   * Whether an operation was in flight in the last picture: a hint, which may be out of date, and
   * is false for a slot that is not in the picture.
   */
  seemsPending(lane: Lane, slot: number): boolean;

  /**
   * The truth about an operation that was PENDING: still PENDING, or how it ended. From then on the
   * slot's memory of that lane is the caller's again.
   */
  status(lane: Lane, slot: number): number;

  /** Bytes that the last operation of a lane moved, once it is over with SUCCESS or MORE_DATA. */
  transferred(lane: Lane, slot: number): number;

  /**
   * Copies what the slot's last read brought, from its first byte, until `target` is full. To be
   * called before the slot's next submission of lane IN.
   */
  take(slot: number, target: Uint8Array<ArrayBuffer>): void;

  /** Gives back the memory of a slot. Nothing of it may be in flight. */
  release(slot: number): void;

  /**
   * Forgets what completed so far, though not a {@linkcode Kernel.wake}. Completions from now on
   * make a {@linkcode Kernel.wait} return; those of writes only if `drained`.
   */
  rearm(drained: boolean): void;

  /**
   * Waits, off this thread, until a listen or a read may have completed, or a write if `drained`,
   * or {@linkcode Kernel.wake} was called. True: look. False: the wait itself failed, for the
   * reason that {@linkcode Kernel.waitStatus} then tells. At most one at a time. Signals may be
   * lost to a submission that comes after the dispatch and before the wait has begun.
   */
  wait(drained: boolean): Promise<boolean>;

  /** Repeats a wait without waiting, for its status: SUCCESS if it could wait. Takes no wake-up. */
  waitStatus(drained: boolean): number;

  /** Makes the wait that is dispatched, or else the next one, return. */
  wake(): void;

  /** Calls back in a later task, after timers and I/O of the program had their turn. */
  nextTurn(callback: () => void): void;

  /** Milliseconds on a clock that never goes back. */
  now(): number;

  /** Calls back once, in a task of its own, after so many milliseconds. */
  startTimer(milliseconds: number, callback: () => void): Timer;

  /** Stops a timer. */
  stopTimer(timer: Timer): void;

  /** Gives everything back, slots included. Nothing may be in flight, open, timed or waiting. */
  dispose(): void;

  /** Calls back when the program is about to go away without having closed anything. */
  onUnload(callback: () => void): void;

  /**
   * The program goes away: makes the wait return, and keeps all memory, since the system may still
   * write to it. Every handle has been closed.
   */
  abandon(): void;
}
