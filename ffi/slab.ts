/**
 * Native memory for what Windows reads and writes while JavaScript runs on: OVERLAPPEDs and
 * messages. Memory of VirtualAlloc, unlike that of a typed array, survives garbage collection,
 * `transfer()` and the end of a Worker, so an operation that outlives its program part writes into
 * memory that is still there.
 *
 * @module
 */

import type { Kernel32 } from "./kernel32.ts";
import { KernelError } from "./library.ts";
import {
  MEM_COMMIT,
  MEM_DECOMMIT,
  MEM_RELEASE,
  MEM_RESERVE,
  OVERLAPPED,
  PAGE_READWRITE,
  STATUS_PENDING,
} from "./structs.ts";

/** The functions that native memory is made, reached and given back with. */
export type MemoryCalls = Pick<
  Kernel32["symbols"],
  "VirtualAlloc" | "VirtualFree" | "GetLastError" | "copyIn" | "copyOut"
>;

/** How many OVERLAPPEDs a table has at most: more than a process can have pipes of use. */
export const MAX_SLOTS = 65_536;

/** The unit that memory is committed in, and the smallest block. */
export const PAGE_SIZE = 4096;

/** The unit that Windows gives addresses in: less than this wastes the rest of it. */
export const CHUNK_SIZE = 65_536;

/** How many bytes of blocks nobody uses are kept, for each of the two kinds of blocks. */
export const KEPT_BYTES = 4_194_304;

const BLOCKS_PER_CHUNK = CHUNK_SIZE / PAGE_SIZE;
const KEPT_CHUNKS = KEPT_BYTES / CHUNK_SIZE;
const WORDS_PER_SLOT = OVERLAPPED.size / Uint32Array.BYTES_PER_ELEMENT;

/** Bytes of native memory. */
export interface SlabUsage {
  /** Addresses taken from the process. */
  reserved: number;
  /** Memory taken from the system. */
  committed: number;
  /** What blocks and OVERLAPPEDs hold that somebody uses. */
  inUse: number;
}

/** The OVERLAPPEDs of one lane: one dense array at addresses that never move. */
export class OverlappedTable {
  readonly #memory: MemoryCalls;
  readonly #usage: SlabUsage;
  readonly #base: bigint;
  readonly #page: Uint8Array<ArrayBuffer>;
  readonly #addresses: bigint[] = [];
  #used: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #words: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  #count = 0;
  #bytes = 0n;

  /**
   * Reserves the addresses of a table whose operations all signal `hEvent`.
   *
   * @throws {KernelError} If there are none.
   */
  constructor(memory: MemoryCalls, usage: SlabUsage, hEvent: bigint) {
    this.#memory = memory;
    this.#usage = usage;
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

  /** The address of a slot that is used from now on; undefined when there is no memory for it. */
  use(slot: number): bigint | undefined {
    return this.#used[slot] === 1 ? this.#addresses[slot] : this.#begin(slot);
  }

  /** The address of a slot that was used before. */
  address(slot: number): bigint | undefined {
    return this.#addresses[slot];
  }

  /** Leaves a slot out of the pictures, until it is used again. */
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

  /** Bytes that a picture copies. */
  get snapshotBytes(): number {
    return this.#count * OVERLAPPED.size;
  }

  /** Takes a picture of all slots in use. */
  snapshot(): void {
    if (this.#count > 0) this.#memory.copyOut(this.#words, this.#base, this.#bytes);
  }

  /** Whether the last picture shows an operation in flight. */
  seemsPending(slot: number): boolean {
    return this.#words[slot * WORDS_PER_SLOT] === STATUS_PENDING;
  }

  /** Gives back everything. */
  free(): void {
    this.#memory.VirtualFree(this.#base, 0n, MEM_RELEASE);
    this.#addresses.length = 0;
    this.#used = new Uint8Array(0);
    this.#words = new Uint32Array(0);
    this.#setCount(0);
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
    if (this.#used.length < this.#addresses.length) {
      const capacity = 2 * this.#addresses.length;
      const used = new Uint8Array(capacity);
      used.set(this.#used);
      this.#used = used;
      const words = new Uint32Array(capacity * WORDS_PER_SLOT);
      words.set(this.#words);
      this.#words = words;
    }
    return true;
  }

  #setCount(count: number): void {
    this.#count = count;
    this.#bytes = BigInt(count * OVERLAPPED.size);
  }
}

interface Chunk {
  readonly address: bigint;
  readonly free: Block[];
}

/** Memory for one message. */
export interface Block {
  /** Where it begins. */
  readonly address: bigint;
  /** How many bytes it has. */
  readonly size: number;
  /** What it was carved from, if it was. */
  readonly chunk: Chunk | undefined;
}

/** How large the block for so many bytes is: a power of two, or pages for what is never kept. */
export function blockSize(bytes: number): number {
  if (bytes <= PAGE_SIZE) return PAGE_SIZE;
  if (bytes > KEPT_BYTES) return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
  return 2 ** (32 - Math.clz32(bytes - 1));
}

/** All native memory of one kernel. */
export class Slab {
  /** The OVERLAPPEDs of listens and reads. */
  readonly arriving: OverlappedTable;
  /** The OVERLAPPEDs of writes. */
  readonly draining: OverlappedTable;
  readonly #memory: MemoryCalls;
  readonly #decommit: boolean;
  readonly #usage: SlabUsage = { reserved: 0, committed: 0, inUse: 0 };
  /** Where the reservations begin that are not a table's. */
  readonly #regions = new Set<bigint>();
  /** The chunks that have a free block. */
  readonly #open: Chunk[] = [];
  /** How many of them have nothing else. */
  #emptyChunks = 0;
  readonly #kept = new Map<number, Block[]>();
  #keptBytes = 0;

  /**
   * Reserves the two tables of OVERLAPPEDs.
   *
   * With `decommit`, a block that was given back is never used again, and touching it is a fault:
   * so that a test sees an operation that writes into memory it no longer owns.
   *
   * @throws {KernelError} If there are no addresses.
   */
  constructor(memory: MemoryCalls, arrivals: bigint, drained: bigint, decommit = false) {
    this.#memory = memory;
    this.#decommit = decommit;
    this.arriving = new OverlappedTable(memory, this.#usage, arrivals);
    try {
      this.draining = new OverlappedTable(memory, this.#usage, drained);
    } catch (error) {
      this.arriving.free();
      throw error;
    }
  }

  /** What is held now. */
  get usage(): Readonly<SlabUsage> {
    return { ...this.#usage };
  }

  /** A block of at least so many bytes; undefined when there is no memory. */
  take(bytes: number): Block | undefined {
    const size = blockSize(bytes);
    const block = size === PAGE_SIZE ? this.#takePage() : this.#takeLarge(size);
    if (block !== undefined) this.#usage.inUse += block.size;
    return block;
  }

  /** Gives a block back. Nothing that knows its address may be in flight. */
  give(block: Block): void {
    this.#usage.inUse -= block.size;
    if (this.#decommit) {
      this.#memory.VirtualFree(block.address, BigInt(block.size), MEM_DECOMMIT);
      this.#usage.committed -= block.size;
    } else if (block.chunk !== undefined) {
      this.#givePage(block, block.chunk);
    } else if (this.#keptBytes + block.size <= KEPT_BYTES) {
      const kept = this.#kept.get(block.size);
      if (kept === undefined) this.#kept.set(block.size, [block]);
      else kept.push(block);
      this.#keptBytes += block.size;
    } else {
      this.#freeRegion(block.address, block.size);
    }
  }

  /** Gives back everything, blocks in use included. */
  free(): void {
    for (const address of this.#regions) this.#memory.VirtualFree(address, 0n, MEM_RELEASE);
    this.#regions.clear();
    this.#open.length = 0;
    this.#emptyChunks = 0;
    this.#kept.clear();
    this.#keptBytes = 0;
    this.arriving.free();
    this.draining.free();
    this.#usage.reserved = this.#usage.committed = this.#usage.inUse = 0;
  }

  #takePage(): Block | undefined {
    const chunk = this.#open.at(-1) ?? this.#newChunk();
    if (chunk === undefined) return undefined;
    if (chunk.free.length === BLOCKS_PER_CHUNK) this.#emptyChunks--;
    const block = chunk.free.pop();
    if (chunk.free.length === 0) this.#open.pop();
    return block;
  }

  #givePage(block: Block, chunk: Chunk): void {
    if (chunk.free.push(block) === 1) this.#open.push(chunk);
    if (chunk.free.length < BLOCKS_PER_CHUNK) return;
    if (this.#emptyChunks < KEPT_CHUNKS) {
      this.#emptyChunks++;
    } else {
      this.#open.splice(this.#open.indexOf(chunk), 1);
      this.#freeRegion(chunk.address, CHUNK_SIZE);
    }
  }

  #newChunk(): Chunk | undefined {
    const address = this.#newRegion(CHUNK_SIZE);
    if (address === undefined) return undefined;
    const chunk: Chunk = { address, free: [] };
    for (let at = CHUNK_SIZE - PAGE_SIZE; at >= 0; at -= PAGE_SIZE) {
      chunk.free.push({ address: address + BigInt(at), size: PAGE_SIZE, chunk });
    }
    this.#open.push(chunk);
    this.#emptyChunks++;
    return chunk;
  }

  #takeLarge(size: number): Block | undefined {
    const kept = this.#kept.get(size)?.pop();
    if (kept !== undefined) {
      this.#keptBytes -= size;
      return kept;
    }
    const address = this.#newRegion(size);
    return address === undefined ? undefined : { address, size, chunk: undefined };
  }

  #newRegion(size: number): bigint | undefined {
    const address = this.#memory.VirtualAlloc(
      0n,
      BigInt(size),
      MEM_RESERVE | MEM_COMMIT,
      PAGE_READWRITE,
    );
    if (address === 0n) return undefined;
    this.#usage.reserved += size;
    this.#usage.committed += size;
    this.#regions.add(address);
    return address;
  }

  #freeRegion(address: bigint, size: number): void {
    this.#memory.VirtualFree(address, 0n, MEM_RELEASE);
    this.#regions.delete(address);
    this.#usage.committed -= size;
    this.#usage.reserved -= size;
  }
}
