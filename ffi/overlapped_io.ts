/**
 * Overlapped I/O: listens, reads and writes, from their submission to their result.
 *
 * Three rules of Windows shape it. An operation that a pool thread submits is cancelled when that
 * thread ends, so every submission is a synchronous call on the JavaScript thread; only the wait is
 * not. Any other call may overwrite the last error, so `GetLastError` always follows at once. And
 * a submission that fails synchronously leaves its OVERLAPPED looking pending, so whether an
 * operation is in flight is decided by what its submission returned, not by its OVERLAPPED.
 *
 * @module
 */

import { type Handle, Lane } from "../src/kernel/kernel.ts";
import { DEFINITE_STATUSES, Status } from "../src/kernel/status.ts";
import type { Block } from "./block.ts";
import type { Counters } from "./counters.ts";
import type { Kernel32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import { STATUS_OF_NTSTATUS } from "./ntstatus.ts";
import type { OverlappedTable } from "./overlapped_table.ts";
import { blockSize, type Slab } from "./slab.ts";
import type { Waiter } from "./waiter.ts";

/** What GetOverlappedResult returns, if it is not to wait, for an operation in flight. */
const ERROR_IO_INCOMPLETE = 996;

const MAX_DWORD = 0xffffffff;

/** The operations of all slots, with their memory. */
export class OverlappedIo {
  readonly #calls: Kernel32["symbols"];
  readonly #slab: Slab;
  readonly #counters: Counters;
  readonly #inbound: OverlappedTable;
  readonly #outbound: OverlappedTable;

  readonly #readHandles: Handle[] = [];
  readonly #writeHandles: Handle[] = [];
  readonly #readBlocks: (Block | undefined)[] = [];
  readonly #writeBlocks: (Block | undefined)[] = [];
  /** The slots whose last write returned a status that does not tell whether it is in flight. */
  readonly #uncertainWrites = new Set<number>();

  readonly #dword: Uint8Array<ArrayBuffer> = new Uint8Array(4);

  /**
   * Reserves the tables of OVERLAPPEDs.
   *
   * @throws {KernelError} If there is not enough address space.
   */
  constructor(calls: Kernel32["symbols"], slab: Slab, waiter: Waiter, counters: Counters) {
    this.#calls = calls;
    this.#slab = slab;
    this.#counters = counters;
    this.#inbound = slab.newTable(waiter.arrivals);
    this.#outbound = slab.newTable(waiter.drained);
  }

  /** See {@linkcode Kernel.listen}. */
  listen(handle: Handle, slot: number): number {
    const overlapped = this.#inbound.acquire(slot);
    if (overlapped === undefined) return Status.NOT_SUBMITTED;
    // The connection that it was read from has ended, and the next may be hours away.
    this.#freeRead(slot);
    this.#counters.submissions++;
    this.#readHandles[slot] = handle;
    return this.#calls.ConnectNamedPipe(handle, overlapped) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.read}. */
  read(handle: Handle, slot: number, size: number): number {
    const overlapped = this.#inbound.acquire(slot);
    const block = this.#readBlock(slot, size);
    if (overlapped === undefined || block === undefined) return Status.NOT_SUBMITTED;
    this.#counters.submissions++;
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
    // WriteFile would write the size modulo 2 ** 32, and report success.
    if (size > MAX_DWORD) return Status.INVALID_USER_BUFFER;
    const overlapped = this.#outbound.acquire(slot);
    this.#freeWrite(slot);
    const block = this.#slab.allocate(size);
    if (overlapped === undefined || block === undefined) {
      if (block !== undefined) this.#slab.free(block);
      return Status.NOT_SUBMITTED;
    }
    if (size > 0) {
      this.#countCopy(size);
      block.set(message);
    }
    this.#counters.submissions++;
    if (this.#calls.WriteFile(handle, block.address, size, 0n, overlapped) !== 0) {
      this.#slab.free(block);
      return Status.SUCCESS;
    }
    const status = failure(this.#calls.GetLastError());
    if (DEFINITE_STATUSES.write.has(status)) {
      this.#slab.free(block);
    } else {
      this.#writeHandles[slot] = handle;
      this.#writeBlocks[slot] = block;
      if (status !== Status.PENDING) this.#uncertainWrites.add(slot);
    }
    return status;
  }

  /** See {@linkcode Kernel.cancel}. */
  cancel(handle: Handle, lane: Lane, slot: number): number {
    const overlapped = this.#table(lane).address(slot);
    if (overlapped === undefined) return Status.NOTHING_TO_CANCEL;
    this.#counters.otherCalls++;
    if (this.#calls.CancelIoEx(handle, overlapped) !== 0) return Status.SUCCESS;
    const status = failure(this.#calls.GetLastError());
    // An uncertain write was not in flight, then. Its OVERLAPPED may say PENDING for ever, so that
    // status() would never free its block.
    if (
      status === Status.NOTHING_TO_CANCEL && lane === Lane.OUT && this.#uncertainWrites.has(slot)
    ) {
      this.#freeWrite(slot);
    }
    return status;
  }

  /** See {@linkcode Kernel.snapshot}. */
  snapshot(lane: Lane): void {
    const table = this.#table(lane);
    this.#countCopy(table.snapshotBytes);
    table.snapshot();
  }

  /** See {@linkcode Kernel.seemsPending}. */
  seemsPending(lane: Lane, slot: number): boolean {
    return this.#table(lane).seemsPending(slot);
  }

  /** See {@linkcode Kernel.status}. */
  status(lane: Lane, slot: number): number {
    const table = this.#table(lane);
    const overlapped = table.address(slot);
    if (overlapped === undefined) return Status.UNKNOWN;
    const status = STATUS_OF_NTSTATUS.get(table.ntstatus(slot)) ??
      this.#translate(lane, slot, overlapped);
    if (status !== Status.PENDING && lane === Lane.OUT) this.#freeWrite(slot);
    return status;
  }

  /** See {@linkcode Kernel.transferred}. */
  transferred(lane: Lane, slot: number): number {
    const table = this.#table(lane);
    return table.address(slot) === undefined ? 0 : table.transferred(slot);
  }

  /** See {@linkcode Kernel.take}. */
  take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    const block = this.#readBlocks[slot];
    if (block === undefined) return;
    const size = Math.min(target.byteLength, block.size);
    if (size === 0) return;
    this.#countCopy(size);
    block.copyTo(target);
  }

  /** See {@linkcode Kernel.takeNew}. */
  takeNew(slot: number, size: number): Uint8Array<ArrayBuffer> {
    const block = this.#readBlocks[slot];
    if (block === undefined || size === 0) return new Uint8Array(0);
    this.#countCopy(size);
    return block.copy(size);
  }

  /** See {@linkcode Kernel.release}. */
  release(slot: number): void {
    this.#freeRead(slot);
    this.#freeWrite(slot);
    this.#inbound.release(slot);
    this.#outbound.release(slot);
  }

  #table(lane: Lane): OverlappedTable {
    return lane === Lane.IN ? this.#inbound : this.#outbound;
  }

  /** Has Windows translate an NTSTATUS. A completed operation must not be reported as pending. */
  #translate(lane: Lane, slot: number, overlapped: bigint): number {
    const handle = (lane === Lane.IN ? this.#readHandles : this.#writeHandles)[slot] ?? 0n;
    this.#counters.otherCalls++;
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
      this.#slab.free(block);
    }
    return this.#readBlocks[slot] = this.#slab.allocate(size);
  }

  #freeRead(slot: number): void {
    const block = this.#readBlocks[slot];
    if (block === undefined) return;
    this.#readBlocks[slot] = undefined;
    this.#slab.free(block);
  }

  #freeWrite(slot: number): void {
    const block = this.#writeBlocks[slot];
    if (block === undefined) return;
    this.#writeBlocks[slot] = undefined;
    this.#uncertainWrites.delete(slot);
    this.#slab.free(block);
  }

  #countCopy(bytes: number): void {
    this.#counters.copies++;
    this.#counters.bytesCopied += bytes;
  }
}
