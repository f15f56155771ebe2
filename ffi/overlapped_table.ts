/**
 * The OVERLAPPEDs of one lane, in one dense array at addresses that never move.
 *
 * @module
 */

import { KernelError } from "./kernel_error.ts";
import { type MemoryCalls, type MemoryUsage, PAGE_SIZE, type ViewOf } from "./native_memory.ts";
import {
  MEM_COMMIT,
  MEM_RELEASE,
  MEM_RESERVE,
  OVERLAPPED,
  PAGE_READWRITE,
  STATUS_PENDING,
} from "./structs.ts";

/** The most OVERLAPPEDs that a table can hold: more than the pipes that a process can use. */
export const MAX_SLOTS = 65_536;

const WORD = Uint32Array.BYTES_PER_ELEMENT;
/** The bytes of Internal and InternalHigh, which come first in an OVERLAPPED. */
const STATUS_BYTES = OVERLAPPED.InternalHigh + 8;

const WORDS_PER_SLOT = OVERLAPPED.size / WORD;

/** The OVERLAPPEDs of one lane, one for each slot. */
export class OverlappedTable {
  readonly #memory: MemoryCalls;
  readonly #usage: MemoryUsage;
  readonly #viewOf: ViewOf | undefined;
  readonly #base: bigint;
  /** What a page holds when it is committed. */
  readonly #page: Uint8Array<ArrayBuffer>;
  readonly #addresses: bigint[] = [];
  /** 1 for each slot in use. */
  #used: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** The last snapshot. */
  #words: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  /** JavaScript's view of what is committed, if there is one. */
  #view: Uint32Array<ArrayBuffer> | undefined = undefined;
  readonly #status: Uint32Array<ArrayBuffer> = new Uint32Array(STATUS_BYTES / WORD);
  readonly #statusBytes = BigInt(STATUS_BYTES);
  /** Slots that a snapshot covers: all up to the last one in use. */
  #count = 0;
  #bytes = 0n;

  /**
   * Reserves the addresses of a table whose operations all signal `hEvent`.
   *
   * @throws {KernelError} If there is not enough address space.
   */
  constructor(
    memory: MemoryCalls,
    usage: MemoryUsage,
    hEvent: bigint,
    viewOf: ViewOf | undefined,
  ) {
    this.#memory = memory;
    this.#usage = usage;
    this.#viewOf = viewOf;
    this.#base = memory.VirtualAlloc(
      0n,
      BigInt(MAX_SLOTS * OVERLAPPED.size),
      MEM_RESERVE,
      PAGE_READWRITE,
    );
    if (this.#base === 0n) throw new KernelError("VirtualAlloc", memory.GetLastError());
    usage.reserved += MAX_SLOTS * OVERLAPPED.size;
    this.#page = new Uint8Array(PAGE_SIZE);
    const view = new DataView(this.#page.buffer);
    for (let at = 0; at < PAGE_SIZE; at += OVERLAPPED.size) {
      view.setBigUint64(at + OVERLAPPED.hEvent, hEvent, true);
    }
  }

  /** The address of a slot, which is in use from now on; undefined if there is no memory for it. */
  acquire(slot: number): bigint | undefined {
    return this.#used[slot] === 1 ? this.#addresses[slot] : this.#begin(slot);
  }

  /** The address of a slot that was in use before. */
  address(slot: number): bigint | undefined {
    return this.#addresses[slot];
  }

  /** Leaves a slot out of snapshots until it is acquired again. */
  release(slot: number): void {
    if (this.#used[slot] !== 1) return;
    this.#used[slot] = 0;
    this.#usage.inUse -= OVERLAPPED.size;
    if (slot === this.#count - 1) {
      let count = slot;
      while (count > 0 && this.#used[count - 1] === 0) count--;
      this.#setCount(count);
    }
  }

  /** The NTSTATUS of a slot's last operation. Final, once it is another than STATUS_PENDING. */
  ntstatus(slot: number): number {
    return this.#load(slot, OVERLAPPED.Internal);
  }

  /** Bytes that a slot's last operation has moved, once its NTSTATUS is known to be final. */
  transferred(slot: number): number {
    return this.#load(slot, OVERLAPPED.InternalHigh);
  }

  /** Bytes that a snapshot copies. */
  get snapshotBytes(): number {
    return this.#count * OVERLAPPED.size;
  }

  /** Copies all slots in use, for {@linkcode OverlappedTable.seemsPending}. */
  snapshot(): void {
    if (this.#count === 0) return;
    if (this.#view === undefined) this.#memory.copyOut(this.#words, this.#base, this.#bytes);
    else this.#words.set(this.#view.subarray(0, this.#count * WORDS_PER_SLOT));
  }

  /** Whether an operation was pending in the last snapshot. */
  seemsPending(slot: number): boolean {
    return this.#words[slot * WORDS_PER_SLOT] === STATUS_PENDING;
  }

  /** Frees all memory of the table. */
  dispose(): void {
    this.#memory.VirtualFree(this.#base, 0n, MEM_RELEASE);
    this.#view = undefined;
    this.#addresses.length = 0;
    this.#used = new Uint8Array(0);
    this.#words = new Uint32Array(0);
    this.#setCount(0);
  }

  /** A word of a slot's OVERLAPPED as it is now. */
  #load(slot: number, offset: number): number {
    const word = offset / WORD;
    // A plain read may get a value that the optimizer has kept.
    if (this.#view !== undefined) return Atomics.load(this.#view, slot * WORDS_PER_SLOT + word);
    const address = this.#addresses[slot];
    if (address === undefined) return 0;
    this.#memory.copyOut(this.#status, address, this.#statusBytes);
    return this.#status[word] ?? 0;
  }

  #begin(slot: number): bigint | undefined {
    if (slot >= MAX_SLOTS) return undefined;
    while (slot >= this.#addresses.length) {
      if (!this.#commitPage()) return undefined;
    }
    this.#used[slot] = 1;
    this.#usage.inUse += OVERLAPPED.size;
    if (slot >= this.#count) this.#setCount(slot + 1);
    return this.#addresses[slot];
  }

  #commitPage(): boolean {
    const address = this.#base + BigInt(this.#addresses.length * OVERLAPPED.size);
    const committed = this.#memory.VirtualAlloc(
      address,
      BigInt(PAGE_SIZE),
      MEM_COMMIT,
      PAGE_READWRITE,
    );
    if (committed === 0n) return false;
    this.#usage.committed += PAGE_SIZE;
    this.#memory.copyIn(address, this.#page, BigInt(PAGE_SIZE));
    for (let at = 0; at < PAGE_SIZE; at += OVERLAPPED.size) {
      this.#addresses.push(address + BigInt(at));
    }
    const view = this.#viewOf?.(this.#base, this.#addresses.length * OVERLAPPED.size);
    this.#view = view && new Uint32Array(view.buffer, view.byteOffset, view.byteLength / WORD);
    if (this.#used.length < this.#addresses.length) this.#grow(2 * this.#addresses.length);
    return true;
  }

  #grow(capacity: number): void {
    const used = new Uint8Array(capacity);
    used.set(this.#used);
    this.#used = used;
    const words = new Uint32Array(capacity * WORDS_PER_SLOT);
    words.set(this.#words);
    this.#words = words;
  }

  #setCount(count: number): void {
    this.#count = count;
    this.#bytes = BigInt(count * OVERLAPPED.size);
  }
}
