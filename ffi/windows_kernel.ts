/**
 * The seam on Windows: overlapped I/O of named pipes through kernel32.dll.
 *
 * Three rules of Windows shape it. An operation that a pool thread submits is cancelled when that
 * thread ends, so all submissions are synchronous calls of the JavaScript thread and only the wait
 * is not. The reason of a failure is gone after any other call, so `GetLastError` is always the
 * very next one. And a submission that fails synchronously leaves its OVERLAPPED looking like one
 * in flight, so what a submission returned, and not its OVERLAPPED, says whether it is.
 *
 * @module
 */

import {
  type Handle,
  type Identified,
  type Kernel,
  Lane,
  type Opened,
  type Peeked,
  type PipeSpec,
  type Timer,
  type Told,
} from "../src/kernel/kernel.ts";
import { DEFINITE_STATUSES, Status } from "../src/kernel/status.ts";
import { nextTask, now, startTimer, stopTimer } from "../src/kernel/scheduling.ts";
import { type Advapi32, BOTH_LIBRARIES } from "./advapi32.ts";
import { type Kernel32, openKernel32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import { KernelError } from "./library.ts";
import { Security } from "./security.ts";
import { type Block, blockSize, type OverlappedTable, Slab, type SlabUsage } from "./slab.ts";
import {
  FILE_FLAG_FIRST_PIPE_INSTANCE,
  FILE_FLAG_OVERLAPPED,
  FILE_READ_ATTRIBUTES,
  GENERIC_READ,
  GENERIC_WRITE,
  INFINITE,
  INVALID_HANDLE_VALUE,
  NMPWAIT_NOWAIT,
  OPEN_EXISTING,
  OVERLAPPED,
  PIPE_ACCEPT_REMOTE_CLIENTS,
  PIPE_ACCESS_DUPLEX,
  PIPE_READMODE_MESSAGE,
  PIPE_REJECT_REMOTE_CLIENTS,
  PIPE_TYPE_MESSAGE,
  PIPE_UNLIMITED_INSTANCES,
  PIPE_WAIT,
  SECURITY_CONTEXT_TRACKING,
  SECURITY_IDENTIFICATION,
  SECURITY_SQOS_PRESENT,
  WAIT_FAILED,
  WAIT_TIMEOUT,
  wide,
} from "./structs.ts";

/**
 * How the NTSTATUS of a finished operation reads as a last error. What is not here is asked of
 * Windows, at the price of two calls.
 *
 * @see {@link https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55}
 */
const NTSTATUS: ReadonlyMap<number, number> = new Map<number, number>([
  [0x00000000, Status.SUCCESS],
  [0x00000103, Status.PENDING],
  [0x80000005, Status.MORE_DATA], // STATUS_BUFFER_OVERFLOW
  [0xc000009a, Status.NO_SYSTEM_RESOURCES], // STATUS_INSUFFICIENT_RESOURCES
  [0xc00000b0, Status.DISCONNECTED], // STATUS_PIPE_DISCONNECTED
  [0xc00000b1, Status.NO_DATA], // STATUS_PIPE_CLOSING
  [0xc00000b2, Status.ALREADY_CONNECTED], // STATUS_PIPE_CONNECTED
  [0xc00000d9, Status.NO_DATA], // STATUS_PIPE_EMPTY
  [0xc0000120, Status.CANCELLED], // STATUS_CANCELLED
  [0xc000014b, Status.BROKEN], // STATUS_PIPE_BROKEN
]);

/** The answer of those who were not opened. */
const UNASKED: Told = { status: Status.UNKNOWN, call: "advapi32.dll", text: "" };

/** What GetOverlappedResult says of an operation in flight, when it is not to wait. */
const ERROR_IO_INCOMPLETE = 996;

/** The lengths that are kept as `bigint`, since making one costs half as much as copying. */
const KEPT_SIZES = 4096;

/** The bytes of Internal and InternalHigh, which come first. */
const WORDS_SIZE = OVERLAPPED.InternalHigh + 8;

const MAX_DWORD = 0xffffffff;

/** Milliseconds that the thread that waits is given to return, when the program goes away. */
const RECALL_TIME = 20;

/** How a {@linkcode WindowsKernel} is made. */
export interface WindowsKernelOptions {
  /** Whether {@linkcode WindowsKernel.openSecurity} is called at once. */
  readonly security?: boolean;
  /** For tests: the libraries, which the kernel closes at its end. By default they are opened. */
  readonly kernel32?: Kernel32;
  readonly advapi32?: Advapi32;
  /** For tests: whether touching a block of memory that was given back is a fault. */
  readonly decommit?: boolean;
}

/** What a {@linkcode WindowsKernel} did so far. */
export interface WindowsKernelCounters {
  /** Listens, reads and writes submitted. */
  readonly submissions: number;
  /** Waits dispatched to another thread. */
  readonly waits: number;
  /** Copies into and out of native memory. */
  readonly copies: number;
  /** Bytes that they copied. */
  readonly bytesCopied: number;
  /** All other calls of Windows' functions but GetLastError and those about memory. */
  readonly otherCalls: number;
}

/** {@linkcode Kernel} on Windows. */
export class WindowsKernel implements Kernel {
  readonly #calls: Kernel32["symbols"];
  readonly #slab: Slab;
  readonly #arriving: OverlappedTable;
  readonly #draining: OverlappedTable;
  readonly #wake: Handle;
  readonly #arrivals: Handle;
  readonly #drained: Handle;
  /** The native array `[wake, arrivals, drained]`: a wait in flight must find it at any time. */
  readonly #handles: bigint;
  readonly #events: Handle[] = [];
  /** Whether a wait is dispatched. */
  #parked = false;
  /** Gives back what this kernel holds, the last first. */
  readonly #undo: (() => void)[] = [];

  readonly #readHandles: Handle[] = [];
  readonly #writeHandles: Handle[] = [];
  readonly #readBlocks: (Block | undefined)[] = [];
  readonly #writeBlocks: (Block | undefined)[] = [];
  /** The slots whose last write ended with a status that says nothing about it. */
  readonly #doubtful = new Set<number>();

  readonly #words: Uint8Array<ArrayBuffer> = new Uint8Array(WORDS_SIZE);
  readonly #wordsView = new DataView(this.#words.buffer);
  readonly #wordsBytes = BigInt(WORDS_SIZE);
  readonly #dword: Uint8Array<ArrayBuffer> = new Uint8Array(4);
  readonly #dwordView = new DataView(this.#dword.buffer);
  readonly #sizes: (bigint | undefined)[] = new Array(KEPT_SIZES + 1);

  readonly #advapi32: Advapi32 | undefined;
  #security: Security | undefined = undefined;

  readonly #unloadListeners: (() => void)[] = [];
  #abandoned = false;

  #submissions = 0;
  #waits = 0;
  #copies = 0;
  #bytesCopied = 0;
  #otherCalls = 0;

  /**
   * Takes what a kernel needs: the library, three events and native memory.
   *
   * @throws {KernelError} If the system has none of it.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
   */
  constructor(options: WindowsKernelOptions = {}) {
    this.#advapi32 = options.advapi32;
    try {
      const library = options.kernel32 ??
        openKernel32(options.security ? BOTH_LIBRARIES : undefined);
      this.#undo.push(() => library.close());
      this.#calls = library.symbols;
      this.#undo.push(() => this.#closeEvents());
      // Only the event that belongs to no operation may reset itself: the others stay set for
      // whoever waits next, https://learn.microsoft.com/windows/win32/api/minwinbase/ns-minwinbase-overlapped
      this.#wake = this.#newEvent(0);
      this.#arrivals = this.#newEvent(1);
      this.#drained = this.#newEvent(1);
      const slab = new Slab(this.#calls, this.#arrivals, this.#drained, options.decommit);
      this.#undo.push(() => slab.free());
      this.#slab = slab;
      this.#arriving = slab.arriving;
      this.#draining = slab.draining;
      const handles = new BigUint64Array([this.#wake, this.#arrivals, this.#drained]);
      const block = slab.take(handles.byteLength);
      if (block === undefined) throw new KernelError("VirtualAlloc", this.#calls.GetLastError());
      this.#handles = block.address;
      this.#calls.copyIn(this.#handles, handles, BigInt(handles.byteLength));
      if (options.security) this.openSecurity();
    } catch (error) {
      this.#giveBack();
      throw error;
    }
  }

  /**
   * Makes the calls about users and access rights usable, which need a library of their own.
   *
   * @throws {KernelError} If the system has no memory for it.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
   */
  openSecurity(): void {
    if (this.#security !== undefined) return;
    const security = new Security(this.#calls, this.#slab, this.#advapi32);
    this.#security = security;
    this.#undo.push(() => security.close());
  }

  /** Native memory held now, for tests and statistics. */
  get memory(): Readonly<SlabUsage> {
    return this.#slab.usage;
  }

  /** What was done so far, for measurements. */
  get counters(): WindowsKernelCounters {
    return {
      submissions: this.#submissions,
      waits: this.#waits,
      copies: this.#copies,
      bytesCopied: this.#bytesCopied,
      otherCalls: this.#otherCalls,
    };
  }

  /** See {@linkcode Kernel.create}. */
  create(pipe: PipeSpec, first: boolean): Opened {
    this.#otherCalls++;
    // Later instances are checked against the rights of the first, and are given none themselves.
    // Without security attributes, as with ours, a handle is not inheritable.
    const attributes = first && pipe.security !== undefined
      ? this.#security?.attributes(pipe.security)
      : null;
    // Never the default in place of what was asked for.
    if (attributes === undefined) return { status: Status.INVALID_PARAMETER, handle: 0n };
    const handle = this.#calls.CreateNamedPipeW(
      wide(pipe.path),
      PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
      PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT |
        (pipe.remote ? PIPE_ACCEPT_REMOTE_CLIENTS : PIPE_REJECT_REMOTE_CLIENTS),
      PIPE_UNLIMITED_INSTANCES,
      pipe.writeBufferSize,
      pipe.readBufferSize,
      pipe.waitTimeout,
      attributes,
    );
    return this.#opened(handle);
  }

  /** See {@linkcode Kernel.open}. */
  open(path: string): Opened {
    return this.#open(path, GENERIC_READ + GENERIC_WRITE);
  }

  /** See {@linkcode Kernel.keepMessages}. */
  keepMessages(handle: Handle): number {
    this.#otherCalls++;
    this.#dwordView.setUint32(0, PIPE_READMODE_MESSAGE | PIPE_WAIT, true);
    return this.#calls.SetNamedPipeHandleState(handle, this.#dword, 0n, 0n) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.exists}. */
  exists(path: string): boolean {
    this.#otherCalls++;
    // What is in doubt exists: with all instances busy the reason is 121 or 231.
    return this.#calls.WaitNamedPipeW(wide(path), NMPWAIT_NOWAIT) !== 0 ||
      failure(this.#calls.GetLastError()) !== Status.NOT_FOUND;
  }

  /** See {@linkcode Kernel.listen}. */
  listen(handle: Handle, slot: number): number {
    const overlapped = this.#arriving.use(slot);
    if (overlapped === undefined) return Status.NOT_SUBMITTED;
    const block = this.#readBlocks[slot];
    if (block !== undefined) {
      // The connection that it was read on is over, and the next one may be hours away.
      this.#readBlocks[slot] = undefined;
      this.#slab.give(block);
    }
    this.#submissions++;
    this.#readHandles[slot] = handle;
    return this.#calls.ConnectNamedPipe(handle, overlapped) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.read}. */
  read(handle: Handle, slot: number, size: number): number {
    const overlapped = this.#arriving.use(slot);
    const block = this.#readBlock(slot, size);
    if (overlapped === undefined || block === undefined) return Status.NOT_SUBMITTED;
    this.#submissions++;
    this.#readHandles[slot] = handle;
    // With an OVERLAPPED the count is 0 on ERROR_MORE_DATA, so it is left out: InternalHigh has it,
    // https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-readfile
    return this.#calls.ReadFile(handle, block.address, size, 0n, overlapped) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.write}. */
  write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number {
    const size = message.byteLength;
    // WriteFile would write the rest of the division, and call it a success.
    if (size > MAX_DWORD) return Status.INVALID_USER_BUFFER;
    const overlapped = this.#draining.use(slot);
    this.#freeWrite(slot);
    const block = this.#slab.take(size);
    if (overlapped === undefined || block === undefined) {
      if (block !== undefined) this.#slab.give(block);
      return Status.NOT_SUBMITTED;
    }
    if (size > 0) {
      this.#copies++;
      this.#bytesCopied += size;
      // JavaScript memory will do: it is read before this call ends.
      this.#calls.copyIn(block.address, message, this.#size(size));
    }
    this.#submissions++;
    if (this.#calls.WriteFile(handle, block.address, size, 0n, overlapped) !== 0) {
      this.#slab.give(block);
      return Status.SUCCESS;
    }
    const status = failure(this.#calls.GetLastError());
    if (DEFINITE_STATUSES.write.has(status)) {
      this.#slab.give(block);
    } else {
      this.#writeHandles[slot] = handle;
      this.#writeBlocks[slot] = block;
      if (status !== Status.PENDING) this.#doubtful.add(slot);
    }
    return status;
  }

  /** See {@linkcode Kernel.cancel}. */
  cancel(handle: Handle, lane: Lane, slot: number): number {
    const overlapped = this.#table(lane).address(slot);
    if (overlapped === undefined) return Status.NOTHING_TO_CANCEL;
    this.#otherCalls++;
    if (this.#calls.CancelIoEx(handle, overlapped) !== 0) return Status.SUCCESS;
    const status = failure(this.#calls.GetLastError());
    // A write in doubt was not in flight, then. Its OVERLAPPED may say PENDING for ever, so that
    // status() will never see its end.
    if (
      status === Status.NOTHING_TO_CANCEL && lane === Lane.OUT && this.#doubtful.has(slot)
    ) {
      this.#freeWrite(slot);
    }
    return status;
  }

  /** See {@linkcode Kernel.peek}. */
  peek(handle: Handle): Peeked {
    this.#otherCalls++;
    const status = this.#calls.PeekNamedPipe(handle, 0n, 0, 0n, 0n, this.#dword) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
    return { status, left: status === Status.SUCCESS ? this.#dwordView.getUint32(0, true) : 0 };
  }

  /** See {@linkcode Kernel.clientProcess}. */
  clientProcess(handle: Handle): number | undefined {
    return this.#number(handle, this.#calls.GetNamedPipeClientProcessId);
  }

  /** See {@linkcode Kernel.clientSession}. */
  clientSession(handle: Handle): number | undefined {
    return this.#number(handle, this.#calls.GetNamedPipeClientSessionId);
  }

  /** See {@linkcode Kernel.serverProcess}. */
  serverProcess(path: string): number | undefined {
    const { status, handle } = this.#open(path, FILE_READ_ATTRIBUTES);
    if (status !== Status.SUCCESS) return undefined;
    const process = this.#number(handle, this.#calls.GetNamedPipeServerProcessId);
    this.close(handle);
    return process;
  }

  /** See {@linkcode Kernel.ownUser}. */
  ownUser(): Told {
    return this.#security?.ownUser() ?? UNASKED;
  }

  /** See {@linkcode Kernel.acceptsSecurity}. */
  acceptsSecurity(sddl: string): number {
    return this.#security?.accepts(sddl) ?? UNASKED.status;
  }

  /** See {@linkcode Kernel.security}. */
  security(handle: Handle): Told {
    return this.#security?.inForce(handle) ?? UNASKED;
  }

  /** See {@linkcode Kernel.owner}. */
  owner(handle: Handle): Told {
    return this.#security?.owner(handle) ?? UNASKED;
  }

  /** See {@linkcode Kernel.identify}. */
  identify(handle: Handle): Identified {
    return this.#security?.identify(handle) ?? { ...UNASKED, identity: undefined };
  }

  /** See {@linkcode Kernel.accountName}. */
  async accountName(sid: string): Promise<string | undefined> {
    return await this.#security?.accountName(sid);
  }

  /** See {@linkcode Kernel.disconnect}. */
  disconnect(handle: Handle): number {
    this.#otherCalls++;
    return this.#calls.DisconnectNamedPipe(handle) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.close}. */
  close(handle: Handle): number {
    this.#otherCalls++;
    return this.#calls.CloseHandle(handle) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.snapshot}. */
  snapshot(lane: Lane): void {
    const table = this.#table(lane);
    this.#copies++;
    this.#bytesCopied += table.snapshotBytes;
    table.snapshot();
  }

  /** See {@linkcode Kernel.seemsPending}. */
  seemsPending(lane: Lane, slot: number): boolean {
    return this.#table(lane).seemsPending(slot);
  }

  /** See {@linkcode Kernel.status}. */
  status(lane: Lane, slot: number): number {
    const overlapped = this.#table(lane).address(slot);
    if (overlapped === undefined) return Status.UNKNOWN;
    this.#copyWords(overlapped);
    const internal = this.#wordsView.getUint32(OVERLAPPED.Internal, true);
    const status = NTSTATUS.get(internal) ?? this.#askStatus(lane, slot, overlapped);
    if (status !== Status.PENDING && lane === Lane.OUT) this.#freeWrite(slot);
    return status;
  }

  /** See {@linkcode Kernel.transferred}. */
  transferred(lane: Lane, slot: number): number {
    const overlapped = this.#table(lane).address(slot);
    if (overlapped === undefined) return 0;
    // Not what status() copied: nothing orders the two words of one copy, but once Internal was
    // seen to be final, InternalHigh is.
    this.#copyWords(overlapped);
    return this.#wordsView.getUint32(OVERLAPPED.InternalHigh, true);
  }

  /** See {@linkcode Kernel.take}. */
  take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    const block = this.#readBlocks[slot];
    if (block === undefined) return;
    const size = Math.min(target.byteLength, block.size);
    if (size === 0) return;
    this.#copies++;
    this.#bytesCopied += size;
    this.#calls.copyOut(target, block.address, this.#size(size));
  }

  /** See {@linkcode Kernel.release}. */
  release(slot: number): void {
    const block = this.#readBlocks[slot];
    if (block !== undefined) {
      this.#readBlocks[slot] = undefined;
      this.#slab.give(block);
    }
    this.#freeWrite(slot);
    this.#arriving.release(slot);
    this.#draining.release(slot);
  }

  /** See {@linkcode Kernel.rearm}. */
  rearm(drained: boolean): void {
    this.#otherCalls++;
    this.#calls.ResetEvent(this.#arrivals);
    if (drained) {
      this.#otherCalls++;
      this.#calls.ResetEvent(this.#drained);
    }
  }

  /** See {@linkcode Kernel.wait}. */
  async wait(drained: boolean): Promise<boolean> {
    this.#waits++;
    this.#parked = true;
    const count = drained ? 3 : 2;
    const index = await this.#calls.parkForMultipleObjects(count, this.#handles, 0, INFINITE);
    this.#parked = false;
    return index < count;
  }

  /** See {@linkcode Kernel.waitStatus}. */
  waitStatus(drained: boolean): number {
    this.#otherCalls++;
    const count = drained ? 3 : 2;
    const index = this.#calls.WaitForMultipleObjects(count, this.#handles, 0, 0);
    if (index === WAIT_FAILED) return failure(this.#calls.GetLastError());
    // This wait took the signal that the next wait is owed.
    if (index === 0) this.wake();
    return index < count || index === WAIT_TIMEOUT ? Status.SUCCESS : Status.UNKNOWN;
  }

  /** See {@linkcode Kernel.wake}. */
  wake(): void {
    this.#otherCalls++;
    this.#calls.SetEvent(this.#wake);
  }

  /** See {@linkcode Kernel.nextTurn}. */
  nextTurn(callback: () => void): void {
    nextTask(callback);
  }

  /** See {@linkcode Kernel.now}. */
  now(): number {
    return now();
  }

  /** See {@linkcode Kernel.startTimer}. */
  startTimer(milliseconds: number, callback: () => void): Timer {
    // An object in some versions of Deno and a number in others, which both name the timer so.
    return Number(startTimer(callback, milliseconds));
  }

  /** See {@linkcode Kernel.stopTimer}. */
  stopTimer(timer: Timer): void {
    stopTimer(timer);
  }

  /** See {@linkcode Kernel.dispose}. */
  dispose(): void {
    if (!this.#abandoned) this.#giveBack();
  }

  /** See {@linkcode Kernel.onUnload}. */
  onUnload(callback: () => void): void {
    this.#unloadListeners.push(callback);
    globalThis.addEventListener("unload", callback);
  }

  /** See {@linkcode Kernel.abandon}. */
  abandon(): void {
    this.#abandoned = true;
    this.#recall();
    // A wait that was dispatched and begins only now finds nothing to wait for, and returns.
    const none = new BigUint64Array(3);
    this.#calls.copyIn(this.#handles, none, BigInt(none.byteLength));
    this.#closeEvents();
    this.#stopListening();
  }

  /**
   * Makes the thread that waits return. It has done so when it has taken the signal of `wake`;
   * one that something else made return takes none, and one that has not begun may never come.
   */
  #recall(): void {
    this.wake();
    const deadline = this.now() + RECALL_TIME;
    while (
      this.#parked && this.now() < deadline &&
      this.#calls.WaitForMultipleObjects(1, this.#handles, 0, 0) !== WAIT_TIMEOUT
    ) {
      // That took the signal itself.
      this.wake();
    }
  }

  #giveBack(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    this.#stopListening();
  }

  #stopListening(): void {
    for (const callback of this.#unloadListeners.splice(0)) {
      globalThis.removeEventListener("unload", callback);
    }
  }

  #newEvent(bManualReset: 0 | 1): Handle {
    const event = this.#calls.CreateEventW(0n, bManualReset, 0, 0n);
    if (event === 0n) throw new KernelError("CreateEventW", this.#calls.GetLastError());
    this.#events.push(event);
    return event;
  }

  /** Operations that are still in flight keep the events themselves, though not their handles. */
  #closeEvents(): void {
    for (const event of this.#events.splice(0)) this.#calls.CloseHandle(event);
  }

  #open(path: string, access: number): Opened {
    this.#otherCalls++;
    // A pipe of this name may be anybody's: without SECURITY_IDENTIFICATION its server could act
    // in the name of this process, https://learn.microsoft.com/windows/win32/ipc/impersonating-a-named-pipe-client
    // The identity goes with each message, as it does when a client says nothing about it. One that
    // was taken at the opening belongs to a connection that the server may not have listened for yet.
    const handle = this.#calls.CreateFileW(
      wide(path),
      access,
      0,
      0n,
      OPEN_EXISTING,
      FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION |
        SECURITY_CONTEXT_TRACKING,
      0n,
    );
    return this.#opened(handle);
  }

  /** A number that Windows keeps of a pipe. */
  #number(
    handle: Handle,
    ask: (handle: Handle, number: Uint8Array<ArrayBuffer>) => number,
  ): number | undefined {
    this.#otherCalls++;
    return ask(handle, this.#dword) !== 0 ? this.#dwordView.getUint32(0, true) : undefined;
  }

  #opened(handle: Handle): Opened {
    return handle === INVALID_HANDLE_VALUE
      ? { status: failure(this.#calls.GetLastError()), handle }
      : { status: Status.SUCCESS, handle };
  }

  #table(lane: Lane): OverlappedTable {
    return lane === Lane.IN ? this.#arriving : this.#draining;
  }

  #copyWords(overlapped: bigint): void {
    this.#copies++;
    this.#bytesCopied += WORDS_SIZE;
    this.#calls.copyOut(this.#words, overlapped, this.#wordsBytes);
  }

  /** Has Windows translate an NTSTATUS. An operation that is over must not read as one in flight. */
  #askStatus(lane: Lane, slot: number, overlapped: bigint): number {
    const handle = (lane === Lane.IN ? this.#readHandles : this.#writeHandles)[slot] ?? 0n;
    this.#otherCalls++;
    if (this.#calls.GetOverlappedResult(handle, overlapped, this.#dword, 0) !== 0) {
      return Status.SUCCESS;
    }
    const status = failure(this.#calls.GetLastError());
    return status === Status.PENDING || status === ERROR_IO_INCOMPLETE ? Status.UNKNOWN : status;
  }

  #readBlock(slot: number, size: number): Block | undefined {
    const block = this.#readBlocks[slot];
    if (block !== undefined) {
      if (block.size === blockSize(size)) return block;
      this.#slab.give(block);
    }
    return this.#readBlocks[slot] = this.#slab.take(size);
  }

  #freeWrite(slot: number): void {
    const block = this.#writeBlocks[slot];
    if (block === undefined) return;
    this.#writeBlocks[slot] = undefined;
    this.#doubtful.delete(slot);
    this.#slab.give(block);
  }

  /** A length as a call wants it. */
  #size(bytes: number): bigint {
    return bytes <= KEPT_SIZES ? this.#sizes[bytes] ??= BigInt(bytes) : BigInt(bytes);
  }
}
