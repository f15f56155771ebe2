/**
 * The seam: the operating system as this module sees it.
 *
 * Everything above it is plain TypeScript that runs anywhere; everything below it is an
 * implementation of {@linkcode Kernel}. No call throws and none blocks: each returns a
 * {@linkcode Status}. The contract that every implementation keeps:
 *
 * 1. A submission ({@linkcode Kernel.listen}, {@linkcode Kernel.read}, {@linkcode Kernel.write})
 *    that returns one of the {@linkcode DEFINITE_STATUSES} is over by then, and no completion
 *    follows. {@linkcode Status.PENDING} means that exactly one completion follows, cancelled or
 *    not. Any other status says nothing about the operation: {@linkcode Kernel.cancel} decides.
 * 2. The memory of an operation belongs to the kernel until its completion is observed, that is,
 *    until {@linkcode Kernel.status} returns something other than PENDING.
 * 3. Nothing else ever happens.
 *
 * @module
 */

/** Which of a slot's two operations: inbound (listen, read) or outbound (write). */
export type Lane = typeof Lane.IN | typeof Lane.OUT;

/** Each slot has one operation per lane, so one read and one write may be in flight together. */
export const Lane = {
  /** Listens and reads. */
  IN: 0,
  /** Writes. */
  OUT: 1,
} as const;

/** An open end of a pipe. The value has a meaning only to the kernel that created it. */
export type Handle = bigint;

/** Whether a pipe keeps the messages that are written to it apart, or is a stream of bytes. */
export type PipeType = "message" | "byte";

/** What an end of a pipe can do, from its own side. */
export type Direction = "both" | "read" | "write";

/** What a client allows its server to do with its identity, from the least to the most. */
export type Impersonation = "anonymous" | "identification" | "impersonation" | "delegation";

/** What an instance of a pipe is created with. */
export interface PipeSpec {
  /** The full name, `\\.\pipe\…`. */
  readonly path: string;
  /** The type of the name: only the first instance's counts, see {@linkcode Kernel.type}. */
  readonly type: PipeType;
  /** What the server's end can do: ACCESS_DENIED if the name exists and differs. */
  readonly direction: Direction;
  /** Bytes that the system buffers of what clients wrote and the server has not read yet. */
  readonly readBufferSize: number;
  /** Bytes that the system buffers of what the server wrote and a client has not read yet. */
  readonly writeBufferSize: number;
  /** Milliseconds that a client's WaitNamedPipe waits by default. */
  readonly waitTimeout: number;
  /**
   * The security descriptor of the name, in SDDL, which {@linkcode Kernel.acceptsSecurity} has
   * accepted. Undefined: the system's default. Every instance is created with it, since any may be
   * the first; the first one's holds for the name.
   */
  readonly security: string | undefined;
  /** Whether clients on other machines can connect. */
  readonly remote: boolean;
}

/** What a client opens a pipe with. */
export interface ClientAccess {
  /** What the client's end can do: ACCESS_DENIED if the pipe does not allow it. */
  readonly direction: Direction;
  /** What the server may do with the client's identity. */
  readonly impersonation: Impersonation;
}

/** The result of a call that opens a handle: `handle` is valid only with SUCCESS. */
export interface Opened {
  readonly status: number;
  readonly handle: Handle;
}

/** The result of {@linkcode Kernel.peek}: `left` is valid only with SUCCESS. */
export interface Peeked {
  readonly status: number;
  /** Bytes left in the message at the head of the pipe; 0 when there is none, or no message type. */
  readonly left: number;
}

/** The result of a query about users or access rights: `text` is valid only with SUCCESS. */
export interface Told {
  readonly status: number;
  /** The Windows function that failed, or was the last. */
  readonly call: string;
  readonly text: string;
}

/** Who a client is, according to its own token. */
export interface Identity {
  /** The security identifier of its user, `S-1-…`. */
  readonly sid: string;
  /** The last number of the SID of its integrity level. */
  readonly integrity: number;
  /** Whether it runs with the rights of an administrator. */
  readonly elevated: boolean;
}

/** The result of {@linkcode Kernel.openToken}: `token` is valid only with SUCCESS. */
export interface OpenedToken {
  readonly status: number;
  /** The Windows function that failed, or was the last. */
  readonly call: string;
  readonly token: Handle;
}

/** The result of {@linkcode Kernel.identify}: `identity` is defined only with SUCCESS. */
export interface Identified {
  readonly status: number;
  /** The Windows function that failed, or was the last. */
  readonly call: string;
  readonly identity: Identity | undefined;
}

/** A pipe of this machine. */
export interface PipeEntry {
  /** Its name, without `\\.\pipe\`. */
  readonly name: string;
  /** How many instances it has; undefined if the system does not tell. */
  readonly instances: number | undefined;
}

/** The pipes of this machine: `pipes` is empty unless the status is SUCCESS. */
export interface PipeListing {
  readonly status: number;
  /** The Windows function that failed, or was the last. */
  readonly call: string;
  readonly pipes: readonly PipeEntry[];
}

/** What a system is. */
export interface SystemInfo {
  /** The version of Windows, or the one that Wine says it is. */
  readonly windows: string;
  /** Whether this is Wine. */
  readonly wine: boolean;
}

/** A timer that {@linkcode Kernel.startTimer} started. */
export type Timer = number;

/**
 * The part of the operating system that this module needs. A *slot* is the memory of one pipe end's
 * operations; the caller numbers slots densely from 0, and releases them.
 */
export interface Kernel {
  /**
   * Creates an instance of a pipe. Clients can connect from now on, even before it listens: listen
   * at once, since a client that connects before that may never be identified. With `first`, the
   * name must not exist: ACCESS_DENIED or BUSY. Without it, the instance may join a name of another
   * type: {@linkcode Kernel.type} tells.
   */
  create(pipe: PipeSpec, first: boolean): Opened;

  /** Opens the client's end of a pipe, in byte read mode: NOT_FOUND or BUSY if that may pass. */
  open(path: string, access: ClientAccess): Opened;

  /** Makes reads of a client's end return single messages; INVALID_PARAMETER for a byte pipe. */
  keepMessages(handle: Handle): number;

  /** The type of the pipe that a handle is an end of; undefined if the system does not tell. */
  type(handle: Handle): PipeType | undefined;

  /** Whether a pipe of this name exists now. */
  exists(path: string): boolean;

  /** Submits a listen, which completes when a client connects. Lane IN. */
  listen(handle: Handle, slot: number): number;

  /** Submits a read of one message of at most `size` bytes into the slot's memory. Lane IN. */
  read(handle: Handle, slot: number, size: number): number;

  /** Submits a write of one message, which is copied before this returns. Lane OUT. */
  write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number;

  /**
   * Cancels one operation. SUCCESS: it was in flight, and its one completion still follows, with
   * any status. NOTHING_TO_CANCEL: nothing is in flight, which settles a submission whose status
   * was not definite.
   */
  cancel(handle: Handle, lane: Lane, slot: number): number;

  /**
   * Tells how much of the message at the head of the pipe is unread. ACCESS_DENIED for an end that
   * cannot read.
   *
   * For an instance whose listen was cancelled it tells whether a client came all the same: SUCCESS
   * while it is there or something that it wrote is unread, then one of the statuses of an end; if
   * none came, BAD_PIPE or LISTENING.
   */
  peek(handle: Handle): Peeked;

  /**
   * The process at the client's end, until it is disconnected, even if it has left; undefined if the
   * system does not tell.
   */
  clientProcess(handle: Handle): number | undefined;

  /** The session that this process is in; undefined if the system does not tell. */
  clientSession(handle: Handle): number | undefined;

  /** The process that created the instance at the server's end; undefined if the system does not tell. */
  hostProcess(handle: Handle): number | undefined;

  /** The session that this process is in; undefined if the system does not tell. */
  hostSession(handle: Handle): number | undefined;

  /**
   * The path of the program that a process of this machine runs. Undefined if the process has ended
   * or may not be asked, or if it began after `since`, a time on the clock of
   * {@linkcode Kernel.now}: its number was given to it after another process had ended. Clocks do
   * not agree exactly, so one that began shortly after is told, too.
   */
  executable(process: number, since?: number): string | undefined;

  /**
   * The process that serves a name; undefined if the system does not tell. Asking connects to an
   * instance of that server for a moment, like a client that disconnects at once.
   */
  serverProcess(path: string): number | undefined;

  /** The SID of the user that this process runs as. */
  ownUser(): Told;

  /** Checks a security descriptor, in SDDL. With SUCCESS it is kept for `create`. */
  acceptsSecurity(sddl: string): number;

  /** The security descriptor that is in force for an open pipe, in SDDL. */
  security(handle: Handle): Told;

  /** The SID of the owner of an open pipe. */
  owner(handle: Handle): Told;

  /**
   * Opens the access token of the client that wrote the last message that was read. Nothing may be
   * submitted between the read and this call. CANNOT_IMPERSONATE if the client uses static identity
   * tracking and connected before the listen, which discards its identity.
   */
  openToken(handle: Handle): OpenedToken;

  /** Who a client is, according to its token, as long as that is open. */
  identify(token: Handle): Identified;

  /** Closes a token. */
  closeToken(token: Handle): void;

  /**
   * Looks up the name of an account, `DOMAIN\\name`, on another thread, and perhaps on other
   * machines; undefined if it has none or the system does not tell.
   */
  accountName(sid: string): Promise<string | undefined>;

  /** Disconnects the client: both ends see it at once, and unread data is destroyed. */
  disconnect(handle: Handle): number;

  /** Closes a handle. Nothing may be in flight on it, unless the program is exiting. */
  close(handle: Handle): number;

  /** Copies the status words of a whole lane, for {@linkcode Kernel.seemsPending}. */
  snapshot(lane: Lane): void;

  /**
   * Whether an operation was in flight in the last snapshot: a hint, which may be out of date, and
   * is false for a slot that the snapshot does not contain.
   */
  seemsPending(lane: Lane, slot: number): boolean;

  /**
   * The actual status of an operation that was PENDING: still PENDING, or how it ended, which
   * returns the slot's memory of that lane to the caller.
   */
  status(lane: Lane, slot: number): number;

  /** Bytes that the last operation of a lane moved, once it is over with SUCCESS or MORE_DATA. */
  transferred(lane: Lane, slot: number): number;

  /**
   * Copies what the slot's last read received, from its first byte, until `target` is full. Must be
   * called before the slot's next submission in lane IN.
   */
  take(slot: number, target: Uint8Array<ArrayBuffer>): void;

  /** Like {@linkcode Kernel.take}, into a new array of this many bytes, which need not be cleared first. */
  takeNew(slot: number, size: number): Uint8Array<ArrayBuffer>;

  /** Frees the memory of a slot. Nothing of it may be in flight. */
  release(slot: number): void;

  /**
   * Resets the signals of completions so far, but not that of {@linkcode Kernel.wake}. Completions
   * from now on make a {@linkcode Kernel.wait} return; those of writes only if `drained`.
   */
  rearm(drained: boolean): void;

  /**
   * Waits, on another thread, until a listen or a read may have completed, or a write if `drained`,
   * or {@linkcode Kernel.wake} was called. False: the wait itself failed, and
   * {@linkcode Kernel.waitStatus} has the reason. At most one wait at a time. A submission after
   * the dispatch and before the wait has begun may reset a signal, which is then lost.
   */
  wait(drained: boolean): Promise<boolean>;

  /** The status of a wait with a timeout of 0: SUCCESS if it could wait. Consumes no wake-up. */
  waitStatus(drained: boolean): number;

  /** Makes the dispatched wait return, or the next one if none is dispatched. */
  wake(): void;

  /**
   * Whether waits and timers keep the program running, those that there are and those to come. They
   * do until this is called. While they do not, the program may end at any time; as long as it runs
   * they work as always. The dispatched wait may return.
   */
  keepAlive(on: boolean): void;

  /**
   * Calls back in a later task, after the program's timers and I/O have had their turn. The program
   * does not end before that.
   */
  nextTurn(callback: () => void): void;

  /**
   * Like {@linkcode Kernel.nextTurn}, but may take some milliseconds, and keeps the program running only
   * as far as {@linkcode Kernel.keepAlive} says.
   */
  nextTurnIfRunning(callback: () => void): void;

  /** Milliseconds on a monotonic clock. */
  now(): number;

  /**
   * Calls back once, in a task of its own, after this many milliseconds. With the path of a pipe that
   * could not be opened it may do so earlier, as soon as an instance is free.
   */
  startTimer(milliseconds: number, callback: () => void, path?: string): Timer;

  /** Stops a timer. */
  stopTimer(timer: Timer): void;

  /** Frees everything, slots included. No operation, handle, timer or wait may be left. */
  dispose(): void;

  /** Calls back when the program is about to exit without having closed anything. */
  onUnload(callback: () => void): void;

  /**
   * The program is exiting: makes the wait return, and keeps all memory, since the system may still
   * write to it. Every handle has been closed.
   */
  abandon(): void;
}
