/** Whole messages off one end of a pipe, and what is in the way of them. */

import { mock } from "node:test";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Lane, type PipeSpec } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { MessageReader } from "../src/pipe/message_reader.ts";
import type { Outcome } from "../src/pipe/reader.ts";
import { type CompletionHandler, Operation } from "../src/loop/operation.ts";
import { type LoopUser, WaitLoop } from "../src/loop/wait_loop.ts";
import { MemoryKernel, NOTHING_LEFT } from "./memory_kernel.ts";

const PATH = "\\\\.\\pipe\\reader";
const MIB = 1024 * 1024;

/** What the first read of a message takes. */
const FIRST = 4096;

const encoder = new TextEncoder();

interface Terms {
  /** Bytes that a client can write without anybody reading. */
  quota?: number;
  /** The longest message. */
  longest?: number;
  /** The quota that the reader is told. */
  known?: number | undefined;
}

/** The server's end of a connection with a reader, and the client's end. */
class Fixture implements CompletionHandler, LoopUser, AsyncDisposable {
  readonly kernel = new MemoryKernel();
  readonly loop = new WaitLoop(this.kernel);
  readonly client;
  readonly reader: MessageReader;
  readonly operation: Operation;
  /** Sizes of the reads so far. */
  readonly sizes: number[] = [];
  #completions = 0;
  #waiters: (() => void)[] = [];

  constructor({ quota = 65_536, longest = 16 * MIB, known }: Terms = {}) {
    const { kernel, loop } = this;
    loop.enter(this);
    const slot = loop.takeSlot();
    const spec: PipeSpec = {
      path: PATH,
      type: "message",
      direction: "both",
      readBufferSize: quota,
      writeBufferSize: quota,
      waitTimeout: 50,
      security: undefined,
      remote: false,
    };
    const { handle } = kernel.create(spec, true);
    this.client = kernel.system.connect(PATH);
    assertEquals(kernel.listen(handle, slot), Status.ALREADY_CONNECTED);
    const read = kernel.read.bind(kernel);
    mock.method(kernel, "read", (...args: Parameters<typeof read>) => {
      this.sizes.push(args[2]);
      return read(...args);
    });
    this.operation = new Operation(this, handle, Lane.IN, slot);
    this.reader = new MessageReader(loop, this.operation, longest, known);
  }

  crashed(error: unknown): void {
    throw error;
  }

  completed(): void {
    this.#completions++;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  failed(): void {
    throw new Error("test: the loop failed");
  }

  abandoned(): void {}

  /** Resolves when the read that was submitted last is over. */
  async over(): Promise<void> {
    const before = this.#completions;
    await new Promise<void>((resolve) => this.#waiters.push(resolve));
    // Exactly one completion for each read.
    assertEquals(this.#completions, before + 1);
  }

  async first(): Promise<Outcome> {
    this.reader.readFirst();
    await this.over();
    return this.reader.outcome();
  }

  async rest(): Promise<Outcome> {
    this.reader.readRest();
    await this.over();
    return this.reader.outcome();
  }

  /** One message, however many reads that takes. */
  async message(): Promise<Uint8Array> {
    let outcome = await this.first();
    if (outcome === "partial") outcome = await this.rest();
    assertEquals(outcome, "message");
    return this.reader.takeMessage();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is left in flight by a test.
    assert(!this.operation.expected);
    this.kernel.close(this.operation.handle);
    this.loop.freeSlot(this.operation.slot);
    await this.loop.leave(this);
    assertEquals(this.kernel.leftovers(), NOTHING_LEFT);
  }
}

/** Bytes whose place shows in their value. */
function bytes(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) + seed) & 0xff;
  return bytes;
}

function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length);
  // Quicker for long messages than a comparison that could show the difference.
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at++;
  assertEquals(at, actual.length, `the bytes differ from place ${at} on`);
}

// Whole messages

Deno.test("MessageReader reads a message that is there, and one that comes later", async () => {
  await using fixture = new Fixture();
  fixture.client.write("there");
  assertEquals(await fixture.message(), encoder.encode("there"));
  fixture.reader.readFirst();
  assert(fixture.operation.expected);
  fixture.client.write("later");
  await fixture.over();
  assertEquals(fixture.reader.outcome(), "message");
  assertEquals(fixture.reader.takeMessage(), encoder.encode("later"));
});

Deno.test("MessageReader keeps messages apart, in their order", async () => {
  await using fixture = new Fixture();
  const messages = ["a", "", "bc", "x".repeat(5000), "", "d"];
  for (const message of messages) fixture.client.write(message);
  for (const message of messages) {
    assertEquals(await fixture.message(), encoder.encode(message));
  }
});

Deno.test("MessageReader takes an empty message for a message", async () => {
  await using fixture = new Fixture({ longest: 0 });
  fixture.client.write("");
  assertEquals(await fixture.first(), "message");
  assertEquals(fixture.reader.takeMessage(), new Uint8Array(0));
});

const LENGTHS: [length: number, reads: number[]][] = [
  [1, [FIRST]],
  [FIRST - 1, [FIRST]],
  [FIRST, [FIRST]],
  [FIRST + 1, [FIRST, 1]],
  [2 * FIRST, [FIRST, FIRST]],
  [65_536, [FIRST, 65_536 - FIRST]],
  [65_537, [FIRST, 65_537 - FIRST]],
  [16 * MIB, [FIRST, 16 * MIB - FIRST]],
];

/** The lengths of messages, and how large the first read of each is. */
const FIRST_READS: [quota: number | undefined, messages: [length: number, first: number][]][] = [
  // As long as the last message, if that is not over the quota.
  [65_536, [[65_536, FIRST], [65_536, 65_536], [65_536, 65_536]]],
  [65_536, [[70_000, FIRST], [65_536, 0], [70_000, 65_536]]],
  [20_000, [[65_536, FIRST], [20_000, 0], [65_536, 20_000], [65_536, 0]]],
  [undefined, [[70_000, FIRST], [70_000, 65_536]]],
  // A short message among long ones does not cost them two reads; several do.
  [65_536, [[10_000, FIRST], [10, 10_000], [5_000, 5_000], [10, 5_000], [0, FIRST], [10, FIRST]]],
  // However small the quota is, a read takes what a connection holds anyway.
  [1, [[65_536, FIRST], [1, 0], [1, FIRST]]],
];

for (const [quota, messages] of FIRST_READS) {
  const lengths = messages.map(([length]) => length).join(", ");
  Deno.test(`MessageReader reads at first what the last messages had, to ${quota}: ${lengths}`, async () => {
    await using fixture = new Fixture({ known: quota });
    const firsts: number[] = [];
    for (const [length] of messages) {
      fixture.sizes.length = 0;
      fixture.client.write(bytes(length));
      assertSame(await fixture.message(), bytes(length));
      firsts.push(fixture.sizes[0] ?? 0);
    }
    assertEquals(firsts, messages.map(([, first]) => first));
  });
}

for (const [length, reads] of LENGTHS) {
  Deno.test(`MessageReader reads ${length} bytes by reading ${reads.join(", then ")}`, async () => {
    const message = bytes(length);
    for (const early of [true, false]) {
      await using fixture = new Fixture();
      if (early) fixture.client.write(message);
      const read = fixture.message();
      if (!early) fixture.client.write(message);
      assertSame(await read, message);
      assertEquals(fixture.sizes, reads);
      assertEquals(fixture.client.written, "done");
      // What comes next is not mixed up with it.
      fixture.client.write("next");
      assertEquals(await fixture.message(), encoder.encode("next"));
    }
  });
}

Deno.test("MessageReader reads a long message whose first read is over but says PENDING", async () => {
  await using fixture = new Fixture();
  fixture.kernel.decisions.answers = () => Status.PENDING;
  fixture.client.write(bytes(5000));
  assertSame(await fixture.message(), bytes(5000));
});

Deno.test("MessageReader gives each message memory of its own, once", async () => {
  await using fixture = new Fixture();
  fixture.client.write("first");
  const first = await fixture.message();
  assertEquals(fixture.reader.takeMessage().length, 0);
  fixture.client.write("other");
  const other = await fixture.message();
  assertNotEquals<unknown>(first.buffer, other.buffer);
  assertEquals(first, encoder.encode("first"));
  assertEquals(first.buffer.byteLength, first.length);
});

// The limit

const TOO_LONG: [length: number, longest: number][] = [
  [1, 0],
  [11, 10],
  [FIRST, FIRST - 1],
  [FIRST + 1, FIRST],
  [FIRST + 1, 10],
  [16 * MIB + 1, 16 * MIB],
];

for (const [length, longest] of TOO_LONG) {
  Deno.test(`MessageReader refuses ${length} bytes when ${longest} are the most`, async () => {
    await using fixture = new Fixture({ quota: 0, longest });
    fixture.client.write(new Uint8Array(length));
    assertEquals(await fixture.first(), "broken");
    assertEquals(fixture.reader.fault, {
      call: "ReadFile",
      status: Status.MORE_DATA,
      reason: `a message of ${length} bytes is longer than the limit of ${longest}`,
      tooLong: true,
    });
    // Nothing is kept of it, and no memory was asked for.
    assertEquals(fixture.reader.takeMessage().length, 0);
    assertEquals(fixture.sizes, [FIRST]);
  });
}

Deno.test("MessageReader takes a message that is just as long as the limit", async () => {
  for (const longest of [1, 10, FIRST, FIRST + 1, 5000]) {
    await using fixture = new Fixture({ longest });
    fixture.client.write(bytes(longest));
    assertSame(await fixture.message(), bytes(longest));
  }
});

// The glue trap: the rest of a message is withdrawn, and another message comes instead.

const WITHDRAWN = "a message was withdrawn while it was read";

/** A long message whose first piece is read, and whose rest of 904 bytes is withdrawn then. */
async function withdrawn(): Promise<Fixture> {
  const fixture = new Fixture({ quota: 0 });
  assertEquals(fixture.client.write(bytes(5000)), "pending");
  assertEquals(await fixture.first(), "partial");
  assert(fixture.client.cancelWrite());
  return fixture;
}

for (const [length, status] of [[0, 0], [1, 0], [903, 0], [905, 234], [70_000, 234]] as const) {
  Deno.test(`MessageReader does not take ${length} other bytes for a rest of 904`, async () => {
    await using fixture = await withdrawn();
    fixture.client.write(bytes(length, 7));
    assertEquals(await fixture.rest(), "broken");
    assertEquals(fixture.reader.fault, { call: "ReadFile", status, reason: WITHDRAWN });
    assertEquals(fixture.reader.takeMessage().length, 0);
    assertEquals(fixture.sizes, [FIRST, 904]);
  });
}

Deno.test("MessageReader does not wait for a rest that is gone before it is measured", async () => {
  await using fixture = new Fixture({ quota: 0 });
  fixture.client.write(bytes(5000));
  fixture.reader.readFirst();
  await fixture.over();
  assert(fixture.client.cancelWrite());
  assertEquals(fixture.reader.outcome(), "broken");
  assertEquals(fixture.reader.fault, {
    call: "ReadFile",
    status: Status.MORE_DATA,
    reason: WITHDRAWN,
  });
  assertEquals(fixture.sizes, [FIRST]);
});

Deno.test("MessageReader finds out when the other message comes after it asked", async () => {
  await using fixture = await withdrawn();
  fixture.reader.readRest();
  assert(fixture.operation.expected);
  fixture.client.write("other");
  await fixture.over();
  assertEquals(fixture.reader.outcome(), "broken");
  assertEquals(fixture.reader.fault?.reason, WITHDRAWN);
});

// After a message longer than the quota, the next is awaited by a read that takes nothing of it.

const QUOTA = 64;

/** A connection whose last message was longer than the quota that the reader knows. */
async function warned(terms: Terms = {}): Promise<Fixture> {
  const fixture = new Fixture({ quota: QUOTA, known: QUOTA, ...terms });
  fixture.client.write(bytes(100));
  assertSame(await fixture.message(), bytes(100));
  fixture.sizes.length = 0;
  return fixture;
}

Deno.test("MessageReader awaits the next message after one that is longer than the quota", async () => {
  await using fixture = await warned();
  for (const length of [5000, QUOTA + 1, QUOTA, QUOTA]) {
    fixture.client.write(bytes(length));
    assertSame(await fixture.message(), bytes(length));
  }
  assertEquals(fixture.sizes, [0, 5000, 0, QUOTA + 1, 0, QUOTA, FIRST]);
});

Deno.test("MessageReader awaits nothing where the quota is not known", async () => {
  await using fixture = new Fixture({ quota: 0 });
  for (let i = 0; i < 2; i++) {
    fixture.client.write(bytes(100));
    assertSame(await fixture.message(), bytes(100));
  }
  assertEquals(fixture.sizes, [FIRST, FIRST]);
});

for (const length of [0, 1, 3_000, 5_000]) {
  Deno.test(`MessageReader takes ${length} bytes whole after a message that was withdrawn`, async () => {
    await using fixture = await warned();
    fixture.reader.readFirst();
    fixture.client.write(bytes(5000, 7));
    await fixture.over();
    assert(fixture.client.cancelWrite());
    fixture.client.write(bytes(length));
    let outcome = fixture.reader.outcome();
    if (outcome === "later") {
      await fixture.over();
      outcome = fixture.reader.outcome();
    }
    if (outcome === "partial") outcome = await fixture.rest();
    assertEquals(outcome, "message");
    assertSame(fixture.reader.takeMessage(), bytes(length));
  });
}

for (const [length, outcome] of [[0, "message"], [4999, "message"], [5001, "broken"]] as const) {
  Deno.test(`MessageReader does not join ${length} bytes to a message that was measured`, async () => {
    await using fixture = await warned();
    fixture.client.write(bytes(5000, 7));
    assertEquals(await fixture.first(), "partial");
    assert(fixture.client.cancelWrite());
    fixture.client.write(bytes(length));
    assertEquals(await fixture.rest(), outcome);
    if (outcome === "message") assertEquals(fixture.reader.length, length);
    assertSame(fixture.reader.takeMessage(), bytes(outcome === "message" ? length : 0));
  });
}

Deno.test("MessageReader waits on when what it awaited is withdrawn, unless it is cancelled", async () => {
  await using fixture = await warned();
  fixture.reader.readFirst();
  for (const outcome of ["later", "cancelled"] as const) {
    fixture.client.write(bytes(5000));
    await fixture.over();
    assert(fixture.client.cancelWrite());
    if (outcome === "cancelled") fixture.loop.cancel(fixture.operation);
    assertEquals(fixture.reader.outcome(), outcome);
  }
  assertEquals(fixture.sizes, [0, 0]);
});

Deno.test("MessageReader refuses what it awaits by its length, before it reads any of it", async () => {
  await using fixture = await warned({ longest: 200 });
  fixture.client.write(bytes(201));
  assertEquals(await fixture.first(), "broken");
  assertEquals([fixture.reader.fault?.tooLong, fixture.sizes], [true, [0]]);
});

Deno.test("MessageReader measures what it awaits again after a shortage", async () => {
  await using fixture = await warned();
  fixture.kernel.failNext("peek", Status.NO_SYSTEM_RESOURCES);
  fixture.client.write(bytes(100));
  assertEquals(await fixture.first(), "later");
  const again = fixture.over();
  await fixture.kernel.advance(1);
  await again;
  assertEquals(fixture.reader.outcome(), "partial");
  assertEquals(await fixture.rest(), "message");
  assertSame(fixture.reader.takeMessage(), bytes(100));
});

Deno.test("MessageReader gives up a message that JavaScript has no memory for", async () => {
  await using fixture = new Fixture({ longest: Number.MAX_SAFE_INTEGER });
  fixture.client.write(bytes(5_000));
  fixture.reader.readFirst();
  await fixture.over();
  mock.method(fixture.kernel, "peek", () => ({ status: Status.SUCCESS, left: 2 ** 50 }));
  assertEquals(fixture.reader.outcome(), "partial");
  fixture.reader.readRest();
  await fixture.over();
  assertEquals(fixture.reader.outcome(), "broken");
  assertEquals(fixture.reader.fault, { call: "ReadFile", status: Status.OUT_OF_MEMORY });
  assertEquals(fixture.sizes, [FIRST]);
});

// Ends

Deno.test("MessageReader tells the end of a connection, after all that was written", async () => {
  await using fixture = new Fixture();
  fixture.client.write("last");
  fixture.client.close();
  assertEquals(await fixture.message(), encoder.encode("last"));
  assertEquals(await fixture.first(), "ended");
  assertEquals(await fixture.first(), "ended");
  assertEquals(fixture.reader.fault, undefined);
});

Deno.test("MessageReader tells the end of a connection while it waits", async () => {
  for (const end of ["client", "server"]) {
    await using fixture = new Fixture();
    fixture.reader.readFirst();
    if (end === "client") fixture.client.close();
    else fixture.kernel.disconnect(fixture.operation.handle);
    await fixture.over();
    assertEquals(fixture.reader.outcome(), "ended", end);
  }
});

Deno.test("MessageReader gives nothing of a message whose writer died before its rest", async () => {
  for (const when of ["before it is measured", "before the rest is read", "while it is awaited"]) {
    await using fixture = new Fixture({ quota: 0 });
    fixture.client.write(bytes(5000));
    fixture.reader.readFirst();
    await fixture.over();
    if (when === "before it is measured") {
      fixture.client.kill();
      assertEquals(fixture.reader.outcome(), "ended", when);
    } else {
      assertEquals(fixture.reader.outcome(), "partial");
      if (when === "while it is awaited") {
        fixture.client.cancelWrite();
        fixture.reader.readRest();
        fixture.client.kill();
      } else {
        fixture.client.kill();
        fixture.reader.readRest();
      }
      await fixture.over();
      assertEquals(fixture.reader.outcome(), "ended", when);
    }
    assertEquals(fixture.reader.fault, undefined);
  }
});

Deno.test("MessageReader reads the rest of a message whose writer had finished and left", async () => {
  await using fixture = new Fixture();
  assertEquals(fixture.client.write(bytes(5000)), "done");
  assertEquals(await fixture.first(), "partial");
  fixture.client.close();
  assertEquals(await fixture.rest(), "message");
  assertSame(fixture.reader.takeMessage(), bytes(5000));
  assertEquals(await fixture.first(), "ended");
});

Deno.test("MessageReader tells a read that was cancelled, the first or the second", async () => {
  await using fixture = new Fixture();
  fixture.reader.readFirst();
  fixture.loop.cancel(fixture.operation);
  await fixture.over();
  assertEquals(fixture.reader.outcome(), "cancelled");
  // Reading can go on.
  fixture.client.write("on");
  assertEquals(await fixture.message(), encoder.encode("on"));
  await using other = await withdrawn();
  other.reader.readRest();
  other.loop.cancel(other.operation);
  await other.over();
  assertEquals(other.reader.outcome(), "cancelled");
  // The piece is forgotten.
  other.client.write("whole");
  assertEquals(await other.message(), encoder.encode("whole"));
});

Deno.test("MessageReader takes what came although it was to be cancelled", async () => {
  await using fixture = new Fixture();
  fixture.kernel.decisions.cancels = () => false;
  fixture.reader.readFirst();
  fixture.loop.cancel(fixture.operation);
  fixture.client.write("in time");
  await fixture.over();
  assertEquals(fixture.reader.outcome(), "message");
});

// Faults of calls

Deno.test("MessageReader tells which call failed, and how", async () => {
  await using fixture = new Fixture();
  fixture.kernel.failNext("read", Status.INVALID_HANDLE);
  assertEquals(await fixture.first(), "broken");
  assertEquals(fixture.reader.fault, { call: "ReadFile", status: Status.INVALID_HANDLE });
  fixture.client.write(bytes(5000));
  fixture.kernel.failNext("peek", Status.ACCESS_DENIED);
  assertEquals(await fixture.first(), "broken");
  assertEquals(fixture.reader.fault, { call: "PeekNamedPipe", status: Status.ACCESS_DENIED });
});

Deno.test("MessageReader gives the bytes of a byte pipe as they come", async () => {
  await using fixture = new Fixture();
  const { kernel, loop } = fixture;
  const server = kernel.system.serve(`${PATH}-bytes`, { messages: false });
  const { handle } = kernel.open(`${PATH}-bytes`, {
    direction: "both",
    impersonation: "identification",
  });
  const slot = loop.takeSlot();
  const { promise, resolve } = Promise.withResolvers<void>();
  const operation = new Operation(
    { completed: () => resolve(), crashed: fixture.crashed },
    handle,
    Lane.IN,
    slot,
  );
  const reader = new MessageReader(loop, operation, 100);
  server.write("by");
  server.write("tes");
  reader.readFirst();
  await promise;
  assertEquals(reader.outcome(), "message");
  assertEquals(reader.takeMessage(), encoder.encode("bytes"));
  kernel.close(handle);
  loop.freeSlot(slot);
  server.close();
});
