/** What the kernel on Windows adds to the contract that every kernel keeps. */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { type Kernel32, KERNEL32_PATH, openKernel32 } from "../../ffi/kernel32.ts";
import { KernelError } from "../../ffi/kernel_error.ts";
import { PAGE_SIZE } from "../../ffi/native_memory.ts";
import { MAX_SLOTS } from "../../ffi/overlapped_table.ts";
import { CHUNK_SIZE } from "../../ffi/slab.ts";
import { INVALID_HANDLE_VALUE, OVERLAPPED } from "../../ffi/structs.ts";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import { type Handle, Lane } from "../../src/kernel/kernel.ts";
import { DEFINITE_STATUSES, Status } from "../../src/kernel/status.ts";
import { windowsTest } from "../win32/environment.ts";
import { processHandleCount, waitFor } from "../win32/raw.ts";
import { newPath } from "./support.ts";

const { symbols: api } = Deno.dlopen(KERNEL32_PATH, {
  // (hObject, lpdwFlags)
  GetHandleInformation: { parameters: ["usize", "buffer"], result: "i32" },
  // (lpAddress, lpBuffer, dwLength)
  VirtualQuery: { parameters: ["usize", "buffer", "usize"], result: "usize" },
});

type Symbols = Kernel32["symbols"];

/**
 * The real library with some functions replaced, which remembers events, and the OVERLAPPED of the
 * last submission.
 */
class Watched {
  readonly library: Kernel32;
  readonly real: Symbols;
  readonly events: Handle[] = [];
  overlapped = 0n;
  buffer = 0n;
  /** How often it was closed. */
  closed = 0;

  constructor(change: (real: Symbols) => Partial<Symbols> = () => ({})) {
    const library = openKernel32();
    const real = library.symbols;
    const watched: Partial<Symbols> = {
      CreateEventW: (...args) => {
        const event = real.CreateEventW(...args);
        this.events.push(event);
        return event;
      },
      ConnectNamedPipe: (handle, overlapped) => {
        this.overlapped = overlapped;
        return real.ConnectNamedPipe(handle, overlapped);
      },
      ReadFile: (...args) => {
        [, this.buffer, , , this.overlapped] = args;
        return real.ReadFile(...args);
      },
      WriteFile: (...args) => {
        [, this.buffer, , , this.overlapped] = args;
        return real.WriteFile(...args);
      },
    };
    this.real = real;
    this.library = {
      symbols: { ...real, ...watched, ...change(real) },
      close: () => {
        this.closed++;
        library.close();
      },
    };
  }

  get wake(): Handle {
    return this.events[0] ?? 0n;
  }

  get arrivals(): Handle {
    return this.events[1] ?? 0n;
  }

  get drained(): Handle {
    return this.events[2] ?? 0n;
  }

  /** Pretends that Windows left this in the last OVERLAPPED. */
  setInternal(internal: bigint): void {
    this.real.copyIn(this.overlapped + BigInt(OVERLAPPED.Internal), words(internal), 8n);
  }
}

function words(...values: bigint[]): BigUint64Array<ArrayBuffer> {
  return new BigUint64Array(values);
}

/** The handle of nothing. */
const BAD = 0x7ffff0n;

const SERVER = 0;
const CLIENT = 1;

/** What is no matter here. */
const USUAL = {
  type: "message",
  direction: "both",
  security: undefined,
  remote: false,
} as const;

const ACCESS = { direction: "both", impersonation: "identification" } as const;

class TestKernel extends WindowsKernel {
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A connection in message mode: the server has slot 0, the client slot 1. */
class Pair {
  readonly path = newPath();
  readonly server: Handle;
  readonly client: Handle;

  constructor(readonly kernel: WindowsKernel, bufferSize = 65_536) {
    const server = kernel.create({
      path: this.path,
      readBufferSize: bufferSize,
      writeBufferSize: bufferSize,
      waitTimeout: 50,
      ...USUAL,
    }, true);
    assertEquals(server.status, Status.SUCCESS);
    const client = kernel.open(this.path, ACCESS);
    assertEquals(client.status, Status.SUCCESS);
    assertEquals(kernel.keepMessages(client.handle), Status.SUCCESS);
    assertEquals(kernel.listen(server.handle, SERVER), Status.ALREADY_CONNECTED);
    this.server = server.handle;
    this.client = client.handle;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    for (const handle of [this.client, this.server]) {
      assertEquals(this.kernel.close(handle), Status.SUCCESS);
    }
    this.kernel.release(SERVER);
    this.kernel.release(CLIENT);
  }
}

async function over(kernel: WindowsKernel, lane: Lane, slot: number): Promise<number> {
  for (;;) {
    kernel.rearm(true);
    const status = kernel.status(lane, slot);
    if (status !== Status.PENDING) return status;
    assert(await kernel.wait(true));
  }
}

function isInheritable(handle: Handle): boolean {
  const flags = new Uint32Array(1);
  assertNotEquals(api.GetHandleInformation(handle, flags), 0);
  return (flags[0] ?? 0) % 2 === 1;
}

function isOpen(handle: Handle): boolean {
  return api.GetHandleInformation(handle, new Uint32Array(1)) !== 0;
}

/** MEMORY_BASIC_INFORMATION.State: MEM_COMMIT, MEM_RESERVE or MEM_FREE. */
function memoryState(address: bigint): number {
  const information = new Uint32Array(12);
  assertEquals(api.VirtualQuery(address, information, 48n), 48n);
  return information[8] ?? 0;
}

const MEM_COMMIT = 0x1000;
const MEM_RESERVE = 0x2000;

function bytes(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
}

// Memory and handles

windowsTest("WindowsKernel: memory is what it was after each connection", async () => {
  const kernel = new WindowsKernel();
  const before = kernel.memory;
  let after = before;
  for (let round = 0; round < 4; round++) {
    for (const size of [0, 1, 4096, 5000, 65_536, 200_000, 3_000_000]) {
      const pair = new Pair(kernel, 4096);
      const message = bytes(size);
      kernel.read(pair.server, SERVER, size);
      kernel.write(pair.client, CLIENT, message);
      assertEquals(await over(kernel, Lane.IN, SERVER), Status.SUCCESS);
      assertEquals(kernel.transferred(Lane.IN, SERVER), size);
      assertEquals(await over(kernel, Lane.OUT, CLIENT), Status.SUCCESS);
      const target = new Uint8Array(size);
      kernel.take(SERVER, target);
      assertEquals(target, message);
      pair.close();
      assertEquals(kernel.memory.inUse, before.inUse);
    }
    if (round === 0) after = kernel.memory;
    assertEquals(kernel.memory, after);
  }
  kernel.dispose();
  assertEquals(kernel.memory, { reserved: 0, committed: 0, inUse: 0 });
});

windowsTest("WindowsKernel: the number of handles is what it was", () => {
  const ROUNDS = 50;
  const round = () => {
    const kernel = new WindowsKernel();
    for (let i = 0; i < 2; i++) {
      const pair = new Pair(kernel);
      assertEquals(kernel.read(pair.server, SERVER, 4096), Status.PENDING);
      assertEquals(kernel.write(pair.client, CLIENT, bytes(10)), Status.SUCCESS);
      assert(!kernel.exists(newPath()));
      assertEquals(kernel.open(newPath(), ACCESS).status, Status.NOT_FOUND);
      pair.close();
    }
    kernel.dispose();
  };
  round();
  const before = processHandleCount();
  for (let i = 0; i < ROUNDS; i++) round();
  // One handle a round would be seen, and a thread of the runtime that begins meanwhile is not.
  assertLess(processHandleCount(), before + ROUNDS);
});

windowsTest("WindowsKernel: no handle is inheritable", () => {
  const watched = new Watched();
  using kernel = new TestKernel({ kernel32: watched.library });
  using pair = new Pair(kernel);
  for (const handle of [pair.server, pair.client, ...watched.events]) {
    assert(!isInheritable(handle));
  }
});

windowsTest("WindowsKernel.dispose() closes the events and the library, once", () => {
  const watched = new Watched();
  const kernel = new WindowsKernel({ kernel32: watched.library });
  assertEquals(watched.events.length, 3);
  assert(watched.events.every(isOpen));
  kernel.dispose();
  kernel.dispose();
  assert(!watched.events.some(isOpen));
  assertEquals(watched.closed, 1);
});

windowsTest("WindowsKernel() gives back what it has when an event cannot be had", () => {
  for (let missing = 0; missing < 3; missing++) {
    const watched: Watched = new Watched((real) => ({
      CreateEventW: (...args) => {
        if (watched.events.length === missing) return 0n;
        const event = real.CreateEventW(...args);
        watched.events.push(event);
        return event;
      },
      GetLastError: () => 1450,
    }));
    const error = assertThrows(
      () => new WindowsKernel({ kernel32: watched.library }),
      KernelError,
      "CreateEventW failed with error 1450",
    );
    assertEquals([error.call, error.code], ["CreateEventW", 1450]);
    assertEquals(watched.events.length, missing);
    assert(!watched.events.some(isOpen));
    assertEquals(watched.closed, 1);
  }
});

windowsTest("WindowsKernel() gives back what it has when memory cannot be had", () => {
  for (let allowed = 0; allowed < 3; allowed++) {
    const regions: bigint[] = [];
    const watched = new Watched((real) => ({
      VirtualAlloc: (...args) => {
        if (regions.length === allowed) return 0n;
        const region = real.VirtualAlloc(...args);
        regions.push(region);
        return region;
      },
      VirtualFree: (...args) => {
        regions.splice(regions.indexOf(args[0]), 1);
        return real.VirtualFree(...args);
      },
      GetLastError: () => 8,
    }));
    const error = assertThrows(
      () => new WindowsKernel({ kernel32: watched.library }),
      KernelError,
    );
    assertEquals([error.call, error.code], ["VirtualAlloc", 8]);
    assertEquals(regions, []);
    assert(!watched.events.some(isOpen));
    assertEquals(watched.closed, 1);
  }
});

windowsTest("WindowsKernel says NOT_SUBMITTED when there is none for an operation", () => {
  let enough = true;
  const watched = new Watched((real) => ({
    VirtualAlloc: (...args) => enough ? real.VirtualAlloc(...args) : 0n,
  }));
  using kernel = new TestKernel({ kernel32: watched.library });
  using pair = new Pair(kernel);
  const before = kernel.memory;
  enough = false;
  assertEquals(kernel.read(pair.server, SERVER, 100_000), Status.NOT_SUBMITTED);
  assertEquals(kernel.write(pair.server, SERVER, bytes(100_000)), Status.NOT_SUBMITTED);
  assertEquals(kernel.listen(pair.server, 5000), Status.NOT_SUBMITTED);
  enough = true;
  assertEquals(kernel.listen(pair.server, MAX_SLOTS), Status.NOT_SUBMITTED);
  assertEquals(kernel.read(pair.server, SERVER, 100_000), Status.PENDING);
  assertEquals(kernel.cancel(pair.server, Lane.IN, SERVER), Status.SUCCESS);
  kernel.release(SERVER);
  assertGreater(before.inUse, kernel.memory.inUse);
});

windowsTest("WindowsKernel with decommit: memory that was given back cannot be touched", () => {
  const watched = new Watched();
  using kernel = new TestKernel({ kernel32: watched.library, decommit: true });
  using pair = new Pair(kernel);
  const seen = new Set<bigint>();
  for (const size of [10, 10, 10_000, 2_000_000]) {
    assertEquals(kernel.write(pair.client, CLIENT, bytes(10)), Status.SUCCESS);
    assertEquals(memoryState(watched.buffer), MEM_RESERVE);
    assertEquals(kernel.read(pair.server, SERVER, size), Status.SUCCESS);
    assertEquals(memoryState(watched.buffer), MEM_COMMIT);
    assert(!seen.has(watched.buffer));
    seen.add(watched.buffer);
    kernel.release(SERVER);
    assertEquals(memoryState(watched.buffer), MEM_RESERVE);
  }
});

windowsTest(
  "WindowsKernel.read() takes memory of the right size, listen() and release() give it back",
  () => {
    const kernel = new WindowsKernel();
    const pair = new Pair(kernel);
    const before = kernel.memory.inUse;
    const held = () => kernel.memory.inUse - before;
    const read = (size: number) => {
      assertEquals(kernel.write(pair.client, CLIENT, bytes(8)), Status.SUCCESS);
      assertEquals(kernel.read(pair.server, SERVER, size), Status.SUCCESS);
      const target = new Uint8Array(8);
      kernel.take(SERVER, target);
      assertEquals(target, bytes(8));
    };
    read(4096);
    const slot = OVERLAPPED.size;
    assertEquals(held(), PAGE_SIZE + slot);
    read(10);
    assertEquals(held(), PAGE_SIZE + slot);
    read(100_000);
    assertEquals(held(), 2 * CHUNK_SIZE + slot);
    read(5_000_000);
    assertEquals(held(), 5_001_216 + slot);
    read(10);
    assertEquals(held(), PAGE_SIZE + slot);
    assertEquals(kernel.listen(pair.server, SERVER), Status.ALREADY_CONNECTED);
    assertEquals(held(), slot);
    read(10);
    kernel.release(SERVER);
    assertEquals(held(), 0);
    pair.close();
    kernel.dispose();
  },
);

windowsTest("WindowsKernel.take() never reads beyond the memory of the slot", () => {
  using kernel = new TestKernel();
  using pair = new Pair(kernel);
  const target = new Uint8Array(10_000).fill(7);
  kernel.take(SERVER, target);
  assert(target.every((byte) => byte === 7));
  kernel.write(pair.client, CLIENT, bytes(100));
  assertEquals(kernel.read(pair.server, SERVER, 100), Status.SUCCESS);
  kernel.take(SERVER, target);
  assertEquals(target.subarray(0, 100), bytes(100));
  assert(target.subarray(PAGE_SIZE).every((byte) => byte === 7));
  kernel.take(SERVER, new Uint8Array(0));
});

windowsTest("WindowsKernel moves messages out of and into any memory that is not shared", () => {
  using kernel = new TestKernel();
  using pair = new Pair(kernel);
  const memories = [
    () => new Uint8Array(100),
    () => new Uint8Array(300).subarray(111, 211),
    () => new Uint8Array(new ArrayBuffer(100, { maxByteLength: 200 })),
  ];
  for (const make of memories) {
    const message = make();
    message.set(bytes(100));
    assertEquals(kernel.write(pair.client, CLIENT, message), Status.SUCCESS);
    assertEquals(kernel.read(pair.server, SERVER, 100), Status.SUCCESS);
    const target = make();
    kernel.take(SERVER, target);
    assertEquals([...target], [...bytes(100)]);
  }
});

// Statuses

windowsTest("WindowsKernel calls nothing between a failure and GetLastError", () => {
  const log: string[] = [];
  const tapped = new Watched((real) =>
    Object.fromEntries(
      Object.entries(real).map(([name, call]) => [name, (...args: never[]) => {
        log.push(name);
        return (call as (...args: never[]) => unknown)(...args);
      }]),
    ) as Partial<Symbols>
  );
  using kernel = new TestKernel({ kernel32: tapped.library });
  const calls: [string, () => unknown][] = [
    ["ConnectNamedPipe", () => kernel.listen(BAD, 0)],
    ["ReadFile", () => kernel.read(BAD, 0, 10)],
    ["WriteFile", () => kernel.write(BAD, 0, bytes(10))],
    ["CancelIoEx", () => kernel.cancel(BAD, Lane.IN, 0)],
    ["PeekNamedPipe", () => kernel.peek(BAD).status],
    ["DisconnectNamedPipe", () => kernel.disconnect(BAD)],
    ["CloseHandle", () => kernel.close(BAD)],
    ["SetNamedPipeHandleState", () => kernel.keepMessages(BAD)],
    ["CreateFileW", () => kernel.open(newPath(), ACCESS).status],
    ["WaitNamedPipeW", () => kernel.exists(newPath())],
    [
      "CreateNamedPipeW",
      () =>
        kernel.create(
          { ...USUAL, path: "x", readBufferSize: 1, writeBufferSize: 1, waitTimeout: 1 },
          false,
        ).status,
    ],
  ];
  for (const [name, call] of calls) {
    log.length = 0;
    const status = call();
    if (typeof status === "number") {
      assertGreater(status, 0, name);
      assertNotEquals(status, Status.PENDING, name);
    }
    const at = log.indexOf(name);
    assertNotEquals(at, -1, name);
    assertEquals(log[at + 1], "GetLastError", name);
  }
});

windowsTest("WindowsKernel: a failure without a reason is UNKNOWN, never a success", () => {
  const tapped = new Watched(() => ({ GetLastError: () => 0 }));
  using kernel = new TestKernel({ kernel32: tapped.library });
  const pipe = { ...USUAL, path: "x", readBufferSize: 1, writeBufferSize: 1, waitTimeout: 1 };
  assertEquals(kernel.listen(BAD, 0), Status.UNKNOWN);
  assertEquals(kernel.read(BAD, 0, 10), Status.UNKNOWN);
  assertEquals(kernel.write(BAD, 0, bytes(10)), Status.UNKNOWN);
  assertEquals(kernel.cancel(BAD, Lane.IN, 0), Status.UNKNOWN);
  assertEquals(kernel.peek(BAD), { status: Status.UNKNOWN, left: 0 });
  assertEquals(kernel.disconnect(BAD), Status.UNKNOWN);
  assertEquals(kernel.close(BAD), Status.UNKNOWN);
  assertEquals(kernel.keepMessages(BAD), Status.UNKNOWN);
  assertEquals(kernel.type(BAD), undefined);
  assertEquals(kernel.open(newPath(), ACCESS), {
    status: Status.UNKNOWN,
    handle: INVALID_HANDLE_VALUE,
  });
  assertEquals(kernel.create(pipe, false).status, Status.UNKNOWN);
  // Somebody may have it: only what is certainly not there is free.
  assert(kernel.exists(newPath()));
});

windowsTest("WindowsKernel keeps the memory of a write in doubt until it is known", async () => {
  let lost = false;
  const watched = new Watched((real) => ({
    GetLastError: () => {
      const code = real.GetLastError();
      return lost ? 0 : code;
    },
  }));
  using kernel = new TestKernel({ kernel32: watched.library });
  using pair = new Pair(kernel, 0);
  assertEquals(kernel.write(pair.client, CLIENT, bytes(0)), Status.SUCCESS);
  const before = kernel.memory.inUse;

  // It failed at once: nothing is in flight, and its OVERLAPPED says PENDING for ever.
  lost = true;
  const failed = kernel.write(BAD, CLIENT, bytes(10));
  lost = false;
  assertEquals(failed, Status.UNKNOWN);
  assert(!DEFINITE_STATUSES.write.has(failed));
  assertEquals(kernel.memory.inUse, before + PAGE_SIZE);
  assertEquals(kernel.cancel(pair.client, Lane.OUT, CLIENT), Status.NOTHING_TO_CANCEL);
  assertEquals(kernel.status(Lane.OUT, CLIENT), Status.PENDING);
  assertEquals(kernel.memory.inUse, before);

  // It is in flight.
  lost = true;
  assertEquals(kernel.write(pair.client, CLIENT, bytes(10)), Status.UNKNOWN);
  lost = false;
  assertEquals(kernel.cancel(pair.client, Lane.OUT, CLIENT), Status.SUCCESS);
  assertEquals(await over(kernel, Lane.OUT, CLIENT), Status.CANCELLED);
  assertEquals(kernel.memory.inUse, before);

  // Neither was found out: the next write, or the end of the slot, takes it along.
  for (let i = 0; i < 2; i++) {
    lost = true;
    assertEquals(kernel.write(BAD, CLIENT, bytes(10)), Status.UNKNOWN);
    lost = false;
    assertEquals(kernel.memory.inUse, before + PAGE_SIZE);
  }
  kernel.release(CLIENT);
  assertEquals(kernel.memory.inUse, before - OVERLAPPED.size);
});

windowsTest(
  "WindowsKernel gives back the memory of a write in flight when it is over, not before",
  async () => {
    const kernel = new WindowsKernel();
    const pair = new Pair(kernel, 0);
    assertEquals(kernel.write(pair.server, SERVER, bytes(0)), Status.SUCCESS);
    const before = kernel.memory.inUse;
    assertEquals(kernel.write(pair.server, SERVER, bytes(10_000)), Status.PENDING);
    assertEquals(kernel.memory.inUse, before + 16_384);
    assertEquals(kernel.status(Lane.OUT, SERVER), Status.PENDING);
    assertEquals(kernel.memory.inUse, before + 16_384);
    assertEquals(kernel.cancel(pair.server, Lane.OUT, SERVER), Status.SUCCESS);
    assertEquals(kernel.memory.inUse, before + 16_384);
    assertEquals(await over(kernel, Lane.OUT, SERVER), Status.CANCELLED);
    assertEquals(kernel.memory.inUse, before);
    assertEquals(kernel.cancel(pair.server, Lane.OUT, SERVER), Status.NOTHING_TO_CANCEL);
    pair.close();
    kernel.dispose();
  },
);

windowsTest("WindowsKernel.status() translates what an OVERLAPPED says as Windows does", () => {
  const watched = new Watched();
  using kernel = new TestKernel({ kernel32: watched.library });
  using pair = new Pair(kernel);
  const cases: [bigint, number][] = [
    [0x00000000n, Status.SUCCESS],
    [0x00000103n, Status.PENDING],
    [0x80000005n, Status.MORE_DATA],
    [0xc000014bn, Status.BROKEN],
    [0xc00000b1n, Status.NO_DATA],
    [0xc00000d9n, Status.NO_DATA],
    [0xc00000b2n, Status.ALREADY_CONNECTED],
    [0xc00000b0n, Status.DISCONNECTED],
    [0xc0000120n, Status.CANCELLED],
    [0xc000009an, Status.NO_SYSTEM_RESOURCES],
    // Not in the table of the kernel, so Windows is asked.
    [0xc00000b3n, 536],
    [0xc00000acn, Status.BUSY],
    [0xc00000aen, Status.BUSY],
    [0xc00000abn, Status.BUSY],
    [0xc00000adn, 230],
    [0xc00000b4n, 230],
    [0xc0000225n, Status.NOTHING_TO_CANCEL],
    [0xc00000b5n, 121],
    [0xc0000034n, Status.NOT_FOUND],
    [0xc0000033n, Status.INVALID_NAME],
    [0xc0000022n, Status.ACCESS_DENIED],
    [0xc0000017n, Status.OUT_OF_MEMORY],
    [0xc0000008n, Status.INVALID_HANDLE],
    // A number that no table has.
    [0xdeadbeefn, 317],
  ];
  for (const [ntstatus, expected] of cases) {
    for (const lane of [Lane.IN, Lane.OUT]) {
      if (lane === Lane.IN) kernel.listen(pair.server, SERVER);
      else kernel.write(pair.server, SERVER, bytes(0));
      // Only the low half of the word counts.
      for (const high of [0n, 0xffffffff00000000n]) {
        watched.setInternal(high | ntstatus);
        assertEquals(kernel.status(lane, SERVER), expected, ntstatus.toString(16));
      }
    }
  }
});

windowsTest(
  "WindowsKernel.status() says of nothing that is over that it is PENDING or done",
  () => {
    for (const code of [0, 996, 997]) {
      const watched = new Watched(() => ({
        GetOverlappedResult: () => 0,
        GetLastError: () => code,
      }));
      const kernel = new WindowsKernel({ kernel32: watched.library });
      kernel.listen(BAD, 0);
      watched.setInternal(0xc0001234n);
      assertEquals(kernel.status(Lane.IN, 0), Status.UNKNOWN);
      kernel.dispose();
    }
  },
);

windowsTest("WindowsKernel knows nothing of a slot that was never used", () => {
  using kernel = new TestKernel();
  for (const lane of [Lane.IN, Lane.OUT]) {
    assertEquals(kernel.status(lane, 7), Status.UNKNOWN);
    assertEquals(kernel.transferred(lane, 7), 0);
    assertEquals(kernel.cancel(1n, lane, 7), Status.NOTHING_TO_CANCEL);
    assert(!kernel.seemsPending(lane, 7));
    kernel.snapshot(lane);
  }
  kernel.release(7);
});

windowsTest("WindowsKernel.write() refuses what WriteFile would cut off", () => {
  using kernel = new TestKernel();
  const huge = { byteLength: 2 ** 32 + 5 } as Uint8Array<ArrayBuffer>;
  assertEquals(kernel.write(1n, 0, huge), Status.INVALID_USER_BUFFER);
});

// Signals

windowsTest("WindowsKernel: all listens and reads share one event, all writes another", () => {
  const watched = new Watched();
  using kernel = new TestKernel({ kernel32: watched.library });
  const hEvent = () => {
    const event = words(0n);
    watched.real.copyOut(event, watched.overlapped + BigInt(OVERLAPPED.hEvent), 8n);
    return event[0];
  };
  for (const slot of [0, 1, 127, 128, 1000]) {
    kernel.listen(BAD, slot);
    assertEquals(hEvent(), watched.arrivals);
    kernel.read(BAD, slot, 10);
    assertEquals(hEvent(), watched.arrivals);
    kernel.write(BAD, slot, bytes(10));
    assertEquals(hEvent(), watched.drained);
  }
  assertEquals(new Set(watched.events).size, 3);
});

windowsTest(
  "WindowsKernel: a completion sets its event, any submission of its kind erases it, rearm() too",
  () => {
    const watched = new Watched();
    const kernel = new WindowsKernel({ kernel32: watched.library });
    const pair = new Pair(kernel);
    kernel.rearm(true);
    assert(!waitFor(watched.arrivals, 0));
    assert(!waitFor(watched.drained, 0));

    assertEquals(kernel.write(pair.client, CLIENT, bytes(1)), Status.SUCCESS);
    assert(waitFor(watched.drained, 0), "a write that is over at once");
    assert(!waitFor(watched.arrivals, 0));
    assertEquals(kernel.read(pair.server, SERVER, 10), Status.SUCCESS);
    assert(waitFor(watched.arrivals, 0), "a read that is over at once");

    kernel.rearm(false);
    assert(!waitFor(watched.arrivals, 0));
    assert(waitFor(watched.drained, 0));
    kernel.rearm(true);
    assert(!waitFor(watched.drained, 0));

    // A read that completes, and a listen that fails.
    assertEquals(kernel.read(pair.server, SERVER, 10), Status.PENDING);
    assertEquals(kernel.write(pair.client, CLIENT, bytes(1)), Status.SUCCESS);
    assert(waitFor(watched.arrivals, 1000));
    assertEquals(kernel.listen(pair.server, 9), Status.ALREADY_CONNECTED);
    assert(!waitFor(watched.arrivals, 0));
    assertEquals(kernel.status(Lane.IN, SERVER), Status.SUCCESS);
    pair.close();
    kernel.release(9);
    kernel.dispose();
  },
);

windowsTest("WindowsKernel.wait() without `drained` is not for writes", async () => {
  const watched = new Watched();
  using kernel = new TestKernel({ kernel32: watched.library });
  using pair = new Pair(kernel);
  kernel.rearm(true);
  kernel.write(pair.client, CLIENT, bytes(1));
  assert(waitFor(watched.drained, 0));
  const order: string[] = [];
  const waiting = kernel.wait(false).then((ok) => {
    order.push("returned");
    return ok;
  });
  // A hop to the same pool of threads and back takes as long as a wait that returns at once.
  await watched.real.parkForMultipleObjects(1, nativeHandle(kernel, watched), 0, 0);
  order.push("woken");
  kernel.wake();
  assert(await waiting);
  assertEquals(order, ["woken", "returned"]);
  assert(await kernel.wait(true));
});

/** An array of one handle, the event of writes, in memory of the kernel. */
function nativeHandle(kernel: WindowsKernel, watched: Watched): bigint {
  kernel.listen(BAD, 20);
  return watched.overlapped + BigInt(OVERLAPPED.hEvent);
}

windowsTest("WindowsKernel.waitStatus() takes no signal away", async () => {
  const watched = new Watched();
  using kernel = new TestKernel({ kernel32: watched.library });
  assertEquals(kernel.waitStatus(false), Status.SUCCESS);
  kernel.wake();
  assertEquals(kernel.waitStatus(true), Status.SUCCESS);
  assert(waitFor(watched.wake, 0));
  kernel.wake();
  assert(await kernel.wait(false));
  assert(!waitFor(watched.wake, 0));
});

windowsTest("WindowsKernel.wait() that fails is false, and waitStatus() says why", async () => {
  for (const [broken, drained] of [[1, false], [1, true], [2, true]] as const) {
    // Not one that was closed, whose number the next thread of the pool may get.
    const watched: Watched = new Watched((real) => ({
      CreateEventW: (...args) => {
        const event = watched.events.length === broken ? BAD : real.CreateEventW(...args);
        watched.events.push(event);
        return event;
      },
    }));
    const kernel = new WindowsKernel({ kernel32: watched.library });
    assertEquals(await kernel.wait(drained), false);
    assertEquals(kernel.waitStatus(drained), Status.INVALID_HANDLE);
    kernel.dispose();
  }
});

// The end of the program

windowsTest("WindowsKernel.onUnload() calls back on unload, until dispose()", () => {
  const kernel = new WindowsKernel();
  let calls = 0;
  kernel.onUnload(() => calls++);
  kernel.onUnload(() => calls++);
  globalThis.dispatchEvent(new Event("unload"));
  assertEquals(calls, 2);
  kernel.dispose();
  globalThis.dispatchEvent(new Event("unload"));
  assertEquals(calls, 2);
});

windowsTest(
  "WindowsKernel.abandon() ends the wait and its events, and keeps all memory, even from dispose()",
  async () => {
    const watched = new Watched();
    const kernel = new WindowsKernel({ kernel32: watched.library });
    const pair = new Pair(kernel);
    assertEquals(kernel.read(pair.server, SERVER, 4096), Status.PENDING);
    const { buffer, overlapped } = watched;
    kernel.rearm(true);
    const waiting = kernel.wait(true);
    for (const handle of [pair.client, pair.server]) {
      assertEquals(kernel.close(handle), Status.SUCCESS);
    }
    kernel.abandon();
    assert(!watched.events.some(isOpen));
    assert(await waiting);
    kernel.dispose();
    assertEquals(memoryState(buffer), MEM_COMMIT);
    assertEquals(memoryState(overlapped), MEM_COMMIT);
    assertEquals(watched.closed, 0);
    // This process goes on.
    watched.library.close();
  },
);

windowsTest("WindowsKernel.abandon() ends a wait that returns for another reason", async () => {
  const watched = new Watched();
  const kernel = new WindowsKernel({ kernel32: watched.library });
  const pair = new Pair(kernel);
  assertEquals(kernel.read(pair.server, SERVER, 4096), Status.PENDING);
  kernel.rearm(true);
  const waiting = kernel.wait(true);
  kernel.write(pair.client, CLIENT, bytes(1));
  assert(waitFor(watched.arrivals, 1000));
  pair.close();
  kernel.abandon();
  assert(!watched.events.some(isOpen));
  await waiting;
  watched.library.close();
});

windowsTest("WindowsKernel.abandon() ends a wait that begins only afterwards", async () => {
  const begin = Promise.withResolvers<void>();
  const watched = new Watched((real) => ({
    parkForMultipleObjects: async (...args) => {
      await begin.promise;
      return await real.parkForMultipleObjects(...args);
    },
  }));
  const kernel = new WindowsKernel({ kernel32: watched.library });
  const waiting = kernel.wait(true);
  kernel.abandon();
  assert(!watched.events.some(isOpen));
  begin.resolve();
  assertEquals(await waiting, false);
  watched.library.close();
});

windowsTest("WindowsKernel.type() asks in another way where a handle may not ask", () => {
  const watched = new Watched(() => ({ GetNamedPipeInfo: () => 0 }));
  using kernel = new TestKernel({ kernel32: watched.library });
  const sizes = { readBufferSize: 0, writeBufferSize: 0, waitTimeout: 50 };
  for (const type of ["message", "byte"] as const) {
    const spec = { ...USUAL, ...sizes, path: newPath(), type, direction: "write" } as const;
    const { handle } = kernel.create(spec, true);
    assertEquals(kernel.type(handle), type);
    kernel.close(handle);
  }
});

// Processes

windowsTest(
  "WindowsKernel.executable() tells what another process runs, while it runs",
  async () => {
    using kernel = new TestKernel();
    const before = kernel.now() - 1_000;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", "console.log('runs'); setInterval(() => {}, 1_000_000);"],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    const path = kernel.executable(child.pid);
    assertEquals(path?.toLowerCase(), Deno.execPath().toLowerCase());
    assertEquals(kernel.executable(child.pid, kernel.now()), path);
    assertEquals(kernel.executable(child.pid, before), undefined, "it began later");
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    assertEquals(kernel.executable(child.pid, before), undefined);
    assertEquals(kernel.executable(0), undefined);
  },
);

windowsTest("WindowsKernel.executable() allows for clocks that do not agree", () => {
  const SECOND = 10_000_000n;
  let age = 0n;
  const watched = new Watched(() => ({
    GetProcessTimes: (_process, creation) => {
      assert(creation instanceof BigUint64Array);
      creation[0] = 1_000n * SECOND - age;
      return 1;
    },
    GetSystemTimeAsFileTime: (time) => {
      assert(time instanceof BigUint64Array);
      time[0] = 1_000n * SECOND;
    },
  }));
  using kernel = new TestKernel({ kernel32: watched.library });
  /** Whether a process of this age may be the one that connected so many milliseconds ago. */
  const tells = (milliseconds: bigint, connected: number) => {
    age = milliseconds * 10_000n;
    return kernel.executable(Deno.pid, kernel.now() - connected) !== undefined;
  };
  assert(tells(100n, 100));
  assert(tells(70n, 100), "a step of the clock that stamps processes");
  assert(!tells(20n, 100));
  assert(tells(99_920n, 100_000), "a clock that was adjusted");
  assert(!tells(99_000n, 100_000));
});

// Measurements

windowsTest("WindowsKernel.counters counts what was done", async () => {
  using kernel = new TestKernel();
  using pair = new Pair(kernel);
  const before = kernel.counters;
  kernel.write(pair.client, CLIENT, bytes(50));
  kernel.read(pair.server, SERVER, 100);
  kernel.take(SERVER, new Uint8Array(50));
  kernel.wake();
  await kernel.wait(false);
  assertEquals(kernel.counters, {
    submissions: before.submissions + 2,
    waits: before.waits + 1,
    copies: before.copies + 2,
    bytesCopied: before.bytesCopied + 100,
    otherCalls: before.otherCalls + 1,
  });
});
