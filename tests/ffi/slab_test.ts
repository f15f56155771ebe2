import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { KernelError } from "../../ffi/kernel_error.ts";
import { type MemoryCalls, PAGE_SIZE } from "../../ffi/native_memory.ts";
import { MAX_SLOTS, type OverlappedTable } from "../../ffi/overlapped_table.ts";
import type { Block } from "../../ffi/block.ts";
import { blockSize, CHUNK_SIZE, KEPT_BYTES, Slab } from "../../ffi/slab.ts";
import { MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, OVERLAPPED } from "../../ffi/structs.ts";

const TABLES = 2 * MAX_SLOTS * OVERLAPPED.size;
const ARRIVALS = 0x11n;
const DRAINED = 0x22n;

/** An address space that faults where Windows would. */
class FakeMemory implements MemoryCalls {
  readonly bytes = new Uint8Array(64 * 1024 * 1024);
  readonly regions = new Map<number, number>();
  readonly committed = new Set<number>();
  /** Allocations that succeed before all fail. */
  allowed = Infinity;
  #next = CHUNK_SIZE;

  VirtualAlloc = (at: bigint, size: bigint, type: number): bigint => {
    if (this.allowed-- <= 0) return 0n;
    const length = Number(size);
    let address = Number(at);
    if (address === 0) {
      address = this.#next;
      this.#next += Math.ceil(length / CHUNK_SIZE) * CHUNK_SIZE;
      this.regions.set(address, length);
    }
    if ((type & MEM_COMMIT) !== 0) {
      for (let page = address; page < address + length; page += PAGE_SIZE) this.committed.add(page);
    }
    return BigInt(address);
  };

  VirtualFree = (at: bigint, size: bigint, type: number): number => {
    const address = Number(at);
    let length = Number(size);
    if (type === MEM_RELEASE) {
      assertEquals(length, 0);
      length = this.regions.get(address) ?? 0;
      assert(this.regions.delete(address), "freed what is not a reservation");
    } else {
      assertEquals(type, MEM_DECOMMIT);
    }
    for (let page = address; page < address + length; page += PAGE_SIZE) {
      this.committed.delete(page);
    }
    return 1;
  };

  GetLastError = (): number => 8;

  copyIn = (to: bigint, from: AllowSharedBufferSource | null, size: bigint): void => {
    this.#at(to, size).set(view(from).subarray(0, Number(size)));
  };

  copyOut = (to: AllowSharedBufferSource | null, from: bigint, size: bigint): void => {
    view(to).set(this.#at(from, size));
  };

  /** Windows sets the words of an OVERLAPPED. */
  set(address: bigint, ntstatus: number, transferred = 0): void {
    const view = new DataView(this.bytes.buffer, Number(address));
    view.setUint32(OVERLAPPED.Internal, ntstatus, true);
    view.setUint32(OVERLAPPED.InternalHigh, transferred, true);
  }

  viewOf = (address: bigint, size: number) =>
    this.bytes.subarray(Number(address), Number(address) + size);

  #at(address: bigint, size: bigint): Uint8Array {
    const begin = Number(address);
    const end = begin + Number(size);
    for (let page = begin - begin % PAGE_SIZE; page < end; page += PAGE_SIZE) {
      assert(this.committed.has(page), `fault at ${page}`);
    }
    return this.bytes.subarray(begin, end);
  }
}

function view(buffer: AllowSharedBufferSource | null): Uint8Array {
  assert(buffer !== null && ArrayBuffer.isView(buffer));
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** A slab with the two tables of a kernel. With `shown`, its memory is visible to JavaScript. */
function newSlab({ decommit = false, shown = false } = {}): {
  memory: FakeMemory;
  slab: Slab;
  inbound: OverlappedTable;
  outbound: OverlappedTable;
} {
  const memory = new FakeMemory();
  const slab = new Slab(memory, { decommit, viewOf: shown ? memory.viewOf : undefined });
  return { memory, slab, inbound: slab.newTable(ARRIVALS), outbound: slab.newTable(DRAINED) };
}

function allocate(slab: Slab, bytes: number): Block {
  const block = slab.allocate(bytes);
  assert(block !== undefined);
  return block;
}

Deno.test("blockSize() is a power of two from a page, and pages above what is kept", () => {
  for (
    const [bytes, size] of [
      [0, 4096],
      [1, 4096],
      [4096, 4096],
      [4097, 8192],
      [65536, 65536],
      [65537, 131072],
      [KEPT_BYTES, KEPT_BYTES],
      [KEPT_BYTES + 1, KEPT_BYTES + 4096],
      [2 ** 32, 2 ** 32],
    ] as const
  ) assertEquals(blockSize(bytes), size, `${bytes}`);
});

Deno.test("OverlappedTable commits page by page, at addresses that never move", () => {
  const { slab, memory, inbound } = newSlab();
  assertEquals(slab.usage, { reserved: TABLES, committed: 0, inUse: 0 });
  const first = inbound.acquire(0);
  assert(first !== undefined);
  assertEquals(slab.usage, { reserved: TABLES, committed: PAGE_SIZE, inUse: 32 });
  assertEquals(inbound.acquire(127), first + 127n * 32n);
  assertEquals(slab.usage.committed, PAGE_SIZE);
  assertEquals(inbound.acquire(1000), first + 32000n);
  assertEquals(slab.usage.committed, 8 * PAGE_SIZE);
  assertEquals(inbound.acquire(0), first);
  assertEquals(inbound.address(1000), first + 32000n);
  slab.dispose();
  assertEquals(memory.regions.size, 0);
});

Deno.test("OverlappedTable zeroes every OVERLAPPED but its event", () => {
  const { memory, inbound, outbound } = newSlab();
  for (const [table, event] of [[inbound, ARRIVALS], [outbound, DRAINED]] as const) {
    for (const slot of [0, 127, 128, 300]) {
      const words = new BigUint64Array(4);
      const address = table.acquire(slot);
      assert(address !== undefined);
      memory.copyOut(words, address, 32n);
      assertEquals([...words], [0n, 0n, 0n, event]);
    }
  }
});

for (const shown of [false, true]) {
  const how = shown ? "through a view" : "by calls";
  Deno.test(`OverlappedTable.snapshot() shows every slot in use and copies no more, ${how}`, () => {
    const { slab, memory, inbound: table } = newSlab({ shown });
    table.snapshot();
    assertEquals(table.snapshotBytes, 0);
    const addresses = [0, 1, 200].map((slot) => table.acquire(slot) ?? 0n);
    for (const address of addresses) memory.set(address, 0x103);
    table.snapshot();
    assertEquals(table.snapshotBytes, 201 * 32);
    assertEquals([0, 1, 2, 200].map((slot) => table.seemsPending(slot)), [true, true, false, true]);
    memory.set(addresses[1] ?? 0n, 0);
    assert(table.seemsPending(1), "a snapshot does not change");
    table.snapshot();
    assert(!table.seemsPending(1));
    memory.set(addresses[2] ?? 0n, 0xc000_014b, 7);
    assertEquals([table.ntstatus(200), table.transferred(200)], [0xc000_014b, 7]);
    table.acquire(1);
    table.release(200);
    assertEquals(table.snapshotBytes, 2 * 32);
    table.release(0);
    assertEquals(table.snapshotBytes, 2 * 32);
    table.release(1);
    assertEquals(table.snapshotBytes, 0);
    table.release(1);
    assertEquals(slab.usage.inUse, 0);
    assert(!table.seemsPending(MAX_SLOTS));
  });
}

Deno.test("OverlappedTable.acquire() has no address when there is no memory for it", () => {
  const { memory, inbound, outbound } = newSlab();
  assertEquals(inbound.acquire(MAX_SLOTS), undefined);
  assert(inbound.acquire(MAX_SLOTS - 1) !== undefined);
  memory.allowed = 0;
  assertEquals(outbound.acquire(0), undefined);
  memory.allowed = 1;
  assert(outbound.acquire(0) !== undefined);
});

Deno.test("Slab.newTable() throws when there are no addresses, and the slab frees the others", () => {
  for (const allowed of [0, 1]) {
    const memory = new FakeMemory();
    const slab = new Slab(memory);
    memory.allowed = allowed;
    const error = assertThrows(
      () => [ARRIVALS, DRAINED].map((event) => slab.newTable(event)),
      KernelError,
    );
    assertEquals([error.call, error.code], ["VirtualAlloc", 8]);
    assertEquals(memory.regions.size, allowed);
    slab.dispose();
    assertEquals(memory.regions.size, 0);
  }
});

Deno.test("Slab.allocate() carves pages from a chunk and gives none twice", () => {
  const { slab } = newSlab();
  const blocks = Array.from({ length: 100 }, () => allocate(slab, 1));
  assertEquals(new Set(blocks.map((block) => block.address)).size, 100);
  assertEquals(slab.usage.committed, 7 * CHUNK_SIZE);
  assertEquals(slab.usage.inUse, 100 * PAGE_SIZE);
  for (const block of blocks) slab.free(block);
  assertEquals(slab.usage.inUse, 0);
  assertEquals(slab.usage.committed, 7 * CHUNK_SIZE);
});

Deno.test("Slab.free() keeps a bounded number of pages", () => {
  const { slab, memory } = newSlab();
  for (let round = 0; round < 3; round++) {
    const blocks = Array.from({ length: 3000 }, () => allocate(slab, 1));
    // Neither in the order in which they were taken, nor in its reverse.
    for (let i = 0; i < 3000; i++) slab.free(blocks[i * 7 % 3000] as Block);
    assertEquals(slab.usage, {
      reserved: TABLES + KEPT_BYTES,
      committed: KEPT_BYTES,
      inUse: 0,
    });
  }
  slab.dispose();
  assertEquals(memory.regions.size, 0);
  assertEquals(slab.usage, { reserved: 0, committed: 0, inUse: 0 });
});

Deno.test("Slab.free() keeps a bounded number of larger blocks, and uses them again", () => {
  const { slab } = newSlab();
  const large = allocate(slab, 65_536);
  slab.free(large);
  assertEquals(slab.usage.committed, 65_536);
  assertEquals(allocate(slab, 40_000).address, large.address);
  slab.free(large);
  const blocks = Array.from({ length: 100 }, () => allocate(slab, 65_536));
  for (const block of blocks) slab.free(block);
  assertEquals(slab.usage.committed, KEPT_BYTES);
  slab.free(allocate(slab, KEPT_BYTES + 1));
  assertEquals(slab.usage.committed, KEPT_BYTES);
});

Deno.test("Slab.allocate() has no block when there is no memory for it", () => {
  const { slab, memory } = newSlab();
  memory.allowed = 0;
  assertEquals(slab.allocate(1), undefined);
  assertEquals(slab.allocate(100_000), undefined);
  assertEquals(slab.usage, { reserved: TABLES, committed: 0, inUse: 0 });
});

for (const shown of [false, true]) {
  Deno.test(`Block copies messages ${shown ? "through a view of it" : "by calls"}`, () => {
    const { memory, slab } = newSlab({ shown });
    // Two pages of one region, and a region.
    const blocks = [allocate(slab, 1), allocate(slab, 1), allocate(slab, 10_000)];
    let calls = 0;
    const { copyIn, copyOut } = memory;
    memory.copyIn = (...args) => (calls++, copyIn(...args));
    memory.copyOut = (...args) => (calls++, copyOut(...args));
    blocks.forEach((block, i) => block.set(Uint8Array.of(i, 10, 20)));
    for (const [i, block] of blocks.entries()) {
      assertEquals(memory.bytes[Number(block.address)], i);
      const target = new Uint8Array(2);
      block.copyTo(target);
      assertEquals(target, Uint8Array.of(i, 10));
      const copy = block.copy(3);
      assertEquals(copy, Uint8Array.of(i, 10, 20));
      assertEquals(copy.buffer.byteLength, 3);
    }
    assertEquals(calls, shown ? 0 : 9);
  });
}

Deno.test("Slab.dispose() gives back blocks in use", () => {
  const { slab, memory, inbound } = newSlab();
  allocate(slab, 1);
  allocate(slab, 100_000);
  inbound.acquire(3);
  slab.dispose();
  assertEquals(memory.regions.size, 0);
  assertEquals(slab.usage, { reserved: 0, committed: 0, inUse: 0 });
});

Deno.test("Slab with decommit makes a block fault once it was given back, and never uses it again", () => {
  const { slab, memory } = newSlab({ decommit: true });
  const seen = new Set<bigint>();
  for (const bytes of [1, 10_000, 2_000_000]) {
    for (let i = 0; i < 20; i++) {
      const block = allocate(slab, bytes);
      assert(!seen.has(block.address));
      seen.add(block.address);
      memory.copyIn(block.address, new Uint8Array(8), 8n);
      slab.free(block);
      assertThrows(() => memory.copyIn(block.address, new Uint8Array(8), 8n), Error, "fault");
    }
  }
  assertNotEquals(slab.usage.reserved, TABLES);
  assertEquals(slab.usage.inUse, 0);
  slab.dispose();
  assertEquals(memory.regions.size, 0);
  assertEquals(slab.usage, { reserved: 0, committed: 0, inUse: 0 });
});
