/**
 * Allocates the native memory of one kernel: a block for each message, and the tables of
 * OVERLAPPEDs.
 *
 * @module
 */

import { Block, type Chunk } from "./block.ts";
import { type MemoryCalls, type MemoryUsage, PAGE_SIZE, type ViewOf } from "./native_memory.ts";
import { OverlappedTable } from "./overlapped_table.ts";
import { MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE } from "./structs.ts";

/** The granularity of addresses in Windows: a smaller reservation wastes the rest of it. */
export const CHUNK_SIZE = 65_536;

/** How many bytes of free blocks are kept, for each of the two kinds: pages and larger blocks. */
export const KEPT_BYTES = 4_194_304;

const BLOCKS_PER_CHUNK = CHUNK_SIZE / PAGE_SIZE;
const KEPT_CHUNKS = KEPT_BYTES / CHUNK_SIZE;

/** Address space of its own. */
interface Region {
  readonly address: bigint;
  readonly view: Uint8Array<ArrayBuffer> | undefined;
}

/** What a {@linkcode Slab} can do. */
export interface SlabOptions {
  /**
   * Never uses a freed block again, and touching it is a fault, so that a test detects an operation
   * that writes into memory it no longer owns.
   */
  readonly decommit?: boolean | undefined;
  /** Shows memory to JavaScript. Default: it is copied by calls. */
  readonly viewOf?: ViewOf | undefined;
}

/**
 * The size of the block for so many bytes: a power of two, or whole pages if it is too large to be
 * kept when it is free.
 */
export function blockSize(bytes: number): number {
  if (bytes <= PAGE_SIZE) return PAGE_SIZE;
  if (bytes > KEPT_BYTES) return Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
  return 2 ** (32 - Math.clz32(bytes - 1));
}

/** All native memory of one kernel. */
export class Slab {
  readonly #memory: MemoryCalls;
  readonly #decommit: boolean;
  readonly #viewOf: ViewOf | undefined;
  readonly #usage: MemoryUsage = { reserved: 0, committed: 0, inUse: 0 };
  readonly #tables: OverlappedTable[] = [];
  /** The start of every region that is not a table's. */
  readonly #regions = new Set<bigint>();
  /** The chunks that have a free block. */
  readonly #available: Chunk[] = [];
  /** How many of them have nothing but free blocks. */
  #emptyChunks = 0;
  /** Free blocks larger than a page, by their size. */
  readonly #kept = new Map<number, Block[]>();
  #keptBytes = 0;

  /** Allocates nothing yet. */
  constructor(memory: MemoryCalls, { decommit = false, viewOf }: SlabOptions = {}) {
    this.#memory = memory;
    this.#decommit = decommit;
    this.#viewOf = viewOf;
  }

  /** The native memory held now. */
  get usage(): Readonly<MemoryUsage> {
    return { ...this.#usage };
  }

  /**
   * Reserves a table of OVERLAPPEDs whose operations all signal `hEvent`. The slab frees it.
   *
   * @throws {KernelError} If there is not enough address space.
   */
  newTable(hEvent: bigint): OverlappedTable {
    const table = new OverlappedTable(this.#memory, this.#usage, hEvent, this.#viewOf);
    this.#tables.push(table);
    return table;
  }

  /** Allocates a block of at least so many bytes; undefined if there is no memory. */
  allocate(bytes: number): Block | undefined {
    const size = blockSize(bytes);
    const block = size === PAGE_SIZE ? this.#allocatePage() : this.#allocateLarge(size);
    if (block !== undefined) this.#usage.inUse += block.size;
    return block;
  }

  /** Frees a block. No operation that uses it may be in flight. */
  free(block: Block): void {
    this.#usage.inUse -= block.size;
    if (this.#decommit) {
      this.#memory.VirtualFree(block.address, BigInt(block.size), MEM_DECOMMIT);
      this.#usage.committed -= block.size;
    } else if (block.chunk !== undefined) {
      this.#freePage(block, block.chunk);
    } else if (this.#keptBytes + block.size <= KEPT_BYTES) {
      const kept = this.#kept.get(block.size);
      if (kept === undefined) this.#kept.set(block.size, [block]);
      else kept.push(block);
      this.#keptBytes += block.size;
    } else {
      this.#freeRegion(block.address, block.size);
    }
  }

  /** Frees everything, tables and blocks in use included. */
  dispose(): void {
    for (const address of this.#regions) this.#memory.VirtualFree(address, 0n, MEM_RELEASE);
    this.#regions.clear();
    this.#available.length = 0;
    this.#emptyChunks = 0;
    this.#kept.clear();
    this.#keptBytes = 0;
    for (const table of this.#tables.splice(0)) table.dispose();
    this.#usage.reserved = this.#usage.committed = this.#usage.inUse = 0;
  }

  #allocatePage(): Block | undefined {
    const chunk = this.#available.at(-1) ?? this.#newChunk();
    if (chunk === undefined) return undefined;
    if (chunk.free.length === BLOCKS_PER_CHUNK) this.#emptyChunks--;
    const block = chunk.free.pop();
    if (chunk.free.length === 0) this.#available.pop();
    return block;
  }

  #freePage(block: Block, chunk: Chunk): void {
    if (chunk.free.push(block) === 1) this.#available.push(chunk);
    if (chunk.free.length < BLOCKS_PER_CHUNK) return;
    if (this.#emptyChunks < KEPT_CHUNKS) {
      this.#emptyChunks++;
    } else {
      this.#available.splice(this.#available.indexOf(chunk), 1);
      this.#freeRegion(chunk.address, CHUNK_SIZE);
    }
  }

  #newChunk(): Chunk | undefined {
    const region = this.#newRegion(CHUNK_SIZE);
    if (region === undefined) return undefined;
    const { address, view } = region;
    const chunk: Chunk = { address, free: [] };
    for (let at = CHUNK_SIZE - PAGE_SIZE; at >= 0; at -= PAGE_SIZE) {
      const part = view?.subarray(at, at + PAGE_SIZE);
      chunk.free.push(new Block(this.#memory, address + BigInt(at), PAGE_SIZE, chunk, part));
    }
    this.#available.push(chunk);
    this.#emptyChunks++;
    return chunk;
  }

  #allocateLarge(size: number): Block | undefined {
    const kept = this.#kept.get(size)?.pop();
    if (kept !== undefined) {
      this.#keptBytes -= size;
      return kept;
    }
    const region = this.#newRegion(size);
    if (region === undefined) return undefined;
    return new Block(this.#memory, region.address, size, undefined, region.view);
  }

  #newRegion(size: number): Region | undefined {
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
    return { address, view: this.#viewOf?.(address, size) };
  }

  #freeRegion(address: bigint, size: number): void {
    this.#memory.VirtualFree(address, 0n, MEM_RELEASE);
    this.#regions.delete(address);
    this.#usage.committed -= size;
    this.#usage.reserved -= size;
  }
}
