import { setImmediate } from "node:timers";
import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { type ClientAccess, type Handle, Lane, type PipeSpec } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { testKernelContract } from "./kernel_contract.ts";
import { MemoryKernel, MemorySystem, NOTHING_LEFT } from "./memory_kernel.ts";

function subject(kernel: MemoryKernel) {
  return {
    kernel,
    pass: (milliseconds: number) => kernel.advance(milliseconds),
    unload: () => kernel.unload(),
    checked: () => {
      assertEquals(kernel.leftovers().open, 0);
      assertEquals(kernel.system.names, []);
    },
  };
}

testKernelContract("MemoryKernel", () => subject(new MemoryKernel()));

testKernelContract("MemoryKernel that says PENDING of what is over", () => {
  const kernel = new MemoryKernel(new MemorySystem(), {
    answers: ({ call }, truth) => {
      const over = truth === Status.SUCCESS || truth === Status.MORE_DATA;
      return over && call !== "listen" ? Status.PENDING : truth;
    },
  });
  return subject(kernel);
});

testKernelContract("MemoryKernel whose completions are late", () => {
  const kernel = new MemoryKernel(new MemorySystem(), {
    shows: () => {
      setImmediate(() => kernel.deliver());
      return false;
    },
  });
  return subject(kernel);
});

const PATH = "\\\\.\\pipe\\memory";
const ACCESS: ClientAccess = { direction: "both", impersonation: "identification" };
const SPEC: PipeSpec = {
  path: PATH,
  type: "message",
  direction: "both",
  readBufferSize: 4096,
  writeBufferSize: 4096,
  waitTimeout: 50,
  security: undefined,
  remote: false,
};

function create(kernel: MemoryKernel, spec: Partial<PipeSpec> = {}): Handle {
  const { status, handle } = kernel.create({ ...SPEC, ...spec }, false);
  assertEquals(status, Status.SUCCESS);
  return handle;
}

/** A kernel whose slot 0 is one connected instance, and its client. */
function connected(spec: Partial<PipeSpec> = {}) {
  const kernel = new MemoryKernel();
  const server = create(kernel, spec);
  const client = kernel.system.connect(PATH);
  assertEquals(kernel.listen(server, 0), Status.ALREADY_CONNECTED);
  return { kernel, server, client };
}

function assertBreach(body: () => unknown, words: string): void {
  assertThrows(body, Error, `contract: ${words}`);
}

// The contract

Deno.test("MemoryKernel refuses a second operation on a lane", () => {
  const { kernel, server } = connected();
  assertEquals(kernel.read(server, 0, 10), Status.PENDING);
  assertBreach(() => kernel.read(server, 0, 10), "a second operation on lane 0 of slot 0");
  assertBreach(() => kernel.read(server, 1, 10), "a second operation on lane 0 of a handle");
  // Over is not enough: its completion was not observed.
  assertEquals(kernel.cancel(server, Lane.IN, 0), Status.SUCCESS);
  assertBreach(() => kernel.read(server, 0, 10), "a second operation");
  assertEquals(kernel.status(Lane.IN, 0), Status.CANCELLED);
  assertEquals(kernel.read(server, 0, 10), Status.PENDING);
});

Deno.test("MemoryKernel refuses release() and close() with something in flight", () => {
  const { kernel, server } = connected();
  assertEquals(kernel.read(server, 0, 10), Status.PENDING);
  assertBreach(() => kernel.release(0), "slot 0 is released with an operation in flight");
  assertBreach(() => kernel.close(server), "a handle is closed with an operation in flight");
  kernel.cancel(server, Lane.IN, 0);
  assertBreach(() => kernel.close(server), "a handle is closed with an operation in flight");
  assertEquals(kernel.status(Lane.IN, 0), Status.CANCELLED);
  assertEquals(kernel.close(server), Status.SUCCESS);
});

Deno.test("MemoryKernel refuses a handle that is closed", () => {
  const kernel = new MemoryKernel();
  const server = create(kernel);
  kernel.close(server);
  assertBreach(() => kernel.close(server), "handle 4 is not open");
  assertBreach(() => kernel.listen(server, 0), "handle 4 is not open");
  assertBreach(() => kernel.cancel(server, Lane.IN, 0), "handle 4 is not open");
});

Deno.test("MemoryKernel refuses to take what was not transferred, or not observed", () => {
  const { kernel, server, client } = connected();
  assertEquals(kernel.read(server, 0, 10), Status.PENDING);
  client.write("abc");
  assertBreach(() => kernel.take(0, new Uint8Array(3)), "slot 0 is in flight");
  assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
  assertBreach(() => kernel.take(0, new Uint8Array(4)), "4 bytes are taken of 3");
  const bytes = new Uint8Array(3);
  kernel.take(0, bytes);
  assertEquals(bytes, new TextEncoder().encode("abc"));
  client.close();
  assertEquals(kernel.read(server, 0, 10), Status.BROKEN);
  assertBreach(() => kernel.transferred(Lane.IN, 0), "the last operation of slot 0 transferred");
  kernel.release(0);
  assertBreach(() => kernel.take(0, bytes), "slot 0 has had no operation on lane 0");
});

Deno.test("MemoryKernel refuses two waits at once, and dispose() with leftovers", async () => {
  const { kernel, server } = connected();
  const waiting = kernel.wait(false);
  assertBreach(() => kernel.wait(false), "two waits at once");
  assertBreach(() => kernel.dispose(), "disposed of with leftovers");
  kernel.wake();
  await waiting;
  assertBreach(() => kernel.dispose(), "disposed of with leftovers");
  kernel.close(server);
  const timer = kernel.startTimer(1, () => {});
  assertBreach(() => kernel.dispose(), "disposed of with leftovers");
  kernel.stopTimer(timer);
  kernel.dispose();
  assertEquals(kernel.leftovers(), NOTHING_LEFT);
  assertBreach(() => kernel.rearm(false), "the kernel was disposed of");
});

Deno.test("MemoryKernel.leftovers() counts everything", () => {
  const { kernel, server } = connected();
  kernel.manual = true;
  kernel.read(server, 0, 10);
  kernel.rearm(false);
  kernel.wait(false);
  kernel.nextTurn(() => {});
  kernel.startTimer(1, () => {});
  assertEquals(kernel.leftovers(), {
    inFlight: 1,
    open: 1,
    slots: 1,
    waiting: 1,
    timers: 1,
    turns: 1,
  });
});

// Decisions

Deno.test("a submission whose last error was lost leaves the truth to cancel() and status()", () => {
  const { kernel, server, client } = connected();
  kernel.decisions.answers = () => Status.UNKNOWN;
  // In flight.
  assertEquals(kernel.read(server, 0, 4), Status.UNKNOWN);
  assertEquals(kernel.cancel(server, Lane.IN, 0), Status.SUCCESS);
  assertEquals(kernel.status(Lane.IN, 0), Status.CANCELLED);
  // Over.
  client.write("abc");
  assertEquals(kernel.read(server, 0, 4), Status.UNKNOWN);
  assertEquals(kernel.cancel(server, Lane.IN, 0), Status.NOTHING_TO_CANCEL);
  assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
  // Failed.
  client.close();
  assertEquals(kernel.read(server, 0, 4), Status.UNKNOWN);
  assertEquals(kernel.cancel(server, Lane.IN, 0), Status.NOTHING_TO_CANCEL);
  assertEquals(kernel.status(Lane.IN, 0), Status.PENDING);
});

Deno.test("a held completion is invisible until it is delivered", () => {
  const { kernel, server, client } = connected();
  kernel.holdCompletions = true;
  assertEquals(kernel.read(server, 0, 10), Status.PENDING);
  assertEquals(client.write("x"), "done");
  assertEquals(kernel.status(Lane.IN, 0), Status.PENDING);
  kernel.snapshot(Lane.IN);
  assert(kernel.seemsPending(Lane.IN, 0));
  assertEquals(kernel.held.length, 1);
  // A cancel that comes too late changes nothing.
  assertEquals(kernel.cancel(server, Lane.IN, 0), Status.SUCCESS);
  assert(kernel.deliver());
  assertFalse(kernel.deliver());
  assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
});

Deno.test("held completions are delivered in any order", () => {
  const { kernel, server, client } = connected({ writeBufferSize: 0 });
  kernel.holdCompletions = true;
  kernel.read(server, 0, 10);
  kernel.write(server, 0, new Uint8Array(1));
  client.write("x");
  client.read();
  assertEquals(kernel.held.map(({ call }) => call), ["read", "write"]);
  assert(kernel.deliver(kernel.held[1]));
  assertEquals(kernel.status(Lane.IN, 0), Status.PENDING);
  assertEquals(kernel.status(Lane.OUT, 0), Status.SUCCESS);
});

Deno.test("a cancel may miss, and the operation goes on", () => {
  const { kernel, server, client } = connected();
  kernel.decisions.cancels = () => false;
  kernel.read(server, 0, 10);
  assertEquals(kernel.cancel(server, Lane.IN, 0), Status.SUCCESS);
  assertEquals(kernel.status(Lane.IN, 0), Status.PENDING);
  client.write("x");
  assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
});

Deno.test("failNext() makes one call fail, which leaves its status PENDING", () => {
  const { kernel, server } = connected();
  kernel.failNext("read", Status.NO_SYSTEM_RESOURCES);
  assertEquals(kernel.read(server, 0, 10), Status.NO_SYSTEM_RESOURCES);
  assertEquals(kernel.status(Lane.IN, 0), Status.PENDING);
  assertEquals(kernel.leftovers().inFlight, 0);
  assertEquals(kernel.read(server, 0, 10), Status.PENDING);
  kernel.failNext("create", Status.OUT_OF_MEMORY);
  assertEquals(kernel.create(SPEC, false).status, Status.OUT_OF_MEMORY);
});

Deno.test("a wait that fails says so, and waitStatus() why", async () => {
  const kernel = new MemoryKernel(new MemorySystem(), { failsWait: () => 6 });
  assertFalse(await kernel.wait(false));
  assertEquals(kernel.waitStatus(false), 6);
});

// Signals

/** Whether a wait that began now would be over at once. */
function signalled(kernel: MemoryKernel, drained: boolean): boolean {
  kernel.manual = true;
  kernel.wait(drained);
  const over = kernel.waitState === "over";
  if (!over) kernel.wake();
  kernel.returnWait();
  return over;
}

Deno.test("each submission resets the event of its lane, a failing one too", () => {
  const { kernel, server, client } = connected();
  const other = create(kernel);
  kernel.read(server, 0, 10);
  client.write("x");
  assert(signalled(kernel, false));
  // Another lane.
  kernel.write(server, 0, new Uint8Array(1));
  assert(signalled(kernel, false));
  // A read before there is a client fails.
  assertEquals(kernel.read(other, 1, 10), 536);
  assertFalse(signalled(kernel, false));
  assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
});

Deno.test("what succeeds at once leaves the event signalled, a partial read too", () => {
  const { kernel, server, client } = connected();
  client.write("abc");
  kernel.rearm(true);
  assertEquals(kernel.read(server, 0, 1), Status.MORE_DATA);
  assert(signalled(kernel, false));
  kernel.rearm(true);
  assertFalse(signalled(kernel, true));
  assertEquals(kernel.read(server, 0, 2), Status.SUCCESS);
  assert(signalled(kernel, false));
});

Deno.test("only a wait with `drained` looks at writes", () => {
  const { kernel, server } = connected();
  kernel.rearm(true);
  kernel.write(server, 0, new Uint8Array(1));
  assertFalse(signalled(kernel, false));
  assert(signalled(kernel, true));
  kernel.rearm(false);
  assert(signalled(kernel, true));
  kernel.rearm(true);
  assertFalse(signalled(kernel, true));
});

Deno.test("a wait that has not entered loses a signal to a submission", () => {
  const { kernel, server, client } = connected();
  kernel.manual = true;
  kernel.holdWaits = true;
  kernel.read(server, 0, 10);
  kernel.rearm(false);
  kernel.wait(false);
  assertEquals(kernel.waitState, "dispatched");
  client.write("x");
  assertEquals(kernel.listen(create(kernel), 1), Status.PENDING);
  assert(kernel.enterWait());
  assertEquals(kernel.waitState, "entered");
  // Only looking helps.
  assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
  kernel.wake();
  assertEquals(kernel.waitState, "over");
});

Deno.test("a wait that is over stays over, whatever is reset then", async () => {
  const { kernel, server, client } = connected();
  kernel.read(server, 0, 10);
  kernel.rearm(false);
  const waiting = kernel.wait(false);
  client.write("x");
  kernel.rearm(false);
  assert(await waiting);
});

Deno.test("manual turns and waits go on when the test says so", async () => {
  const kernel = new MemoryKernel();
  kernel.manual = true;
  const order: string[] = [];
  kernel.nextTurn(() => {
    order.push("first");
    kernel.nextTurn(() => order.push("later"));
  });
  kernel.nextTurn(() => order.push("second"));
  assertEquals(kernel.runTurn(), 2);
  assertEquals(order, ["first", "second"]);
  assertEquals(kernel.runTurn(), 1);
  assertEquals(kernel.runTurn(), 0);
  const waiting = kernel.wait(false);
  assertFalse(kernel.returnWait());
  kernel.wake();
  assert(kernel.returnWait());
  assert(await waiting);
});

Deno.test("advance() fires timers in the order of their time, each in its own task", async () => {
  const kernel = new MemoryKernel();
  const order: string[] = [];
  kernel.startTimer(20, () => order.push(`b at ${kernel.now()}`));
  kernel.startTimer(10, () => {
    order.push(`a at ${kernel.now()}`);
    queueMicrotask(() => order.push("microtask"));
    kernel.startTimer(5, () => order.push(`c at ${kernel.now()}`));
  });
  kernel.startTimer(31, () => order.push("too late"));
  await kernel.advance(30);
  assertEquals(order, ["a at 10", "microtask", "c at 15", "b at 20"]);
  assertEquals(kernel.now(), 30);
  assertEquals(kernel.leftovers().timers, 1);
});

// Ends of programs

Deno.test("kill() ends everything that a kernel has", () => {
  const system = new MemorySystem();
  const kernel = new MemoryKernel(system);
  const other = new MemoryKernel(system);
  const server = create(kernel, { readBufferSize: 0 });
  const { handle: client } = other.open(PATH, ACCESS);
  assertEquals(kernel.listen(server, 0), Status.ALREADY_CONNECTED);
  assertEquals(other.write(client, 0, new Uint8Array(9)), Status.PENDING);
  assertEquals(kernel.peek(server).left, 9);
  other.kill();
  // Withdrawn.
  assertEquals(kernel.read(server, 0, 10), Status.BROKEN);
  kernel.kill();
  assertEquals(system.names, []);
});

// Raw ends

Deno.test("raw clients write, read, cancel and leave", () => {
  const { kernel, server, client } = connected({ readBufferSize: 4 });
  assertEquals(client.write("four"), "done");
  assertEquals(client.write("more"), "pending");
  assertEquals(client.writing, 1);
  assert(client.cancelWrite());
  assertFalse(client.cancelWrite());
  assertEquals(client.written, Status.CANCELLED);
  assertEquals(client.readText(), undefined);
  kernel.write(server, 0, new TextEncoder().encode("reply"));
  assertEquals(client.readText(3), "rep");
  assert(client.more);
  assertEquals(client.readText(), "ly");
  assertFalse(client.more);
  assertEquals(client.ended, undefined);
  kernel.disconnect(server);
  assertEquals(client.ended, Status.DISCONNECTED);
  assertEquals(client.write("x"), Status.DISCONNECTED);
  client.close();
});

for (const takesEmpty of [true, false]) {
  Deno.test(`byte read mode passes over an empty message, the last one too: ${takesEmpty}`, () => {
    const system = new MemorySystem();
    system.ways.takesEmpty = takesEmpty;
    const pipe = system.serve(PATH);
    const client = system.connect(PATH, { mode: "byte" });
    for (const text of ["a", "", "b", ""]) pipe.write(text);
    assertEquals(client.readText(), "ab");
    if (!takesEmpty) assertEquals(client.readText(), "");
    assertEquals(client.readText(), undefined);
    for (const text of ["c", ""]) pipe.write(text);
    // There is no room left.
    assertEquals(client.readText(1), "c");
    assertEquals(client.readText(), "");
  });
}

for (const tracking of ["static", "dynamic"] as const) {
  Deno.test(`a client that is tracked ${tracking} is known, or not, when it came before the listen`, () => {
    for (const before of [true, false]) {
      const kernel = new MemoryKernel();
      const server = create(kernel);
      if (!before) assertEquals(kernel.listen(server, 0), Status.PENDING);
      const client = kernel.system.connect(PATH, { tracking });
      if (before) assertEquals(kernel.listen(server, 0), Status.ALREADY_CONNECTED);
      else assertEquals(kernel.status(Lane.IN, 0), Status.SUCCESS);
      client.write("x");
      assertEquals(kernel.read(server, 0, 10), Status.SUCCESS);
      const { status } = kernel.openToken(server);
      const known = tracking === "dynamic" || !before;
      assertEquals(status, known ? Status.SUCCESS : Status.CANNOT_IMPERSONATE);
    }
  });
}

for (const makesRoom of [true, false]) {
  Deno.test(`what is destroyed makes room for a write that pends: ${makesRoom}`, () => {
    const system = new MemorySystem();
    system.ways.makesRoom = makesRoom;
    for (const ends of [true, false]) {
      const pipe = system.serve(PATH, { writeBufferSize: 4 });
      const client = system.connect(PATH);
      assertEquals([pipe.write("four"), pipe.write("more")], ["done", "pending"]);
      if (ends) pipe.disconnect();
      else client.close();
      const lost = ends ? Status.DISCONNECTED : Status.BROKEN;
      assertEquals(pipe.written, makesRoom ? "done" : lost);
      pipe.close();
    }
  });
}

for (const keepsPending of [true, false]) {
  Deno.test(`a write that pends when its handle is closed goes on: ${keepsPending}`, () => {
    const system = new MemorySystem();
    system.ways.keepsPending = keepsPending;
    const pipe = system.serve(PATH, { readBufferSize: 4 });
    const client = system.connect(PATH);
    assertEquals([client.write("four"), client.write("longer")], ["done", "pending"]);
    client.close();
    assertEquals(client.written, keepsPending ? "pending" : Status.BROKEN);
    assertEquals(pipe.readText(), "four");
    assertEquals(pipe.readText(), keepsPending ? "longer" : undefined);
    if (keepsPending) assertEquals(client.written, "done");
    assertEquals(pipe.ended, Status.BROKEN);
  });
}

Deno.test("a write that the system has no memory for fills a read that waits", () => {
  const kernel = new MemoryKernel();
  const server = create(kernel);
  const { handle } = kernel.open(PATH, ACCESS);
  kernel.keepMessages(handle);
  assertEquals(kernel.read(handle, 1, 3), Status.PENDING);
  for (
    const [status, read] of [
      [Status.NOT_SUBMITTED, Status.PENDING],
      [Status.NO_SYSTEM_RESOURCES, Status.MORE_DATA],
    ] as const
  ) {
    kernel.failNext("write", status);
    assertEquals(kernel.write(server, 0, new TextEncoder().encode("message")), status);
    assertEquals(kernel.status(Lane.IN, 1), read);
  }
  assertEquals(kernel.transferred(Lane.IN, 1), 3);
  assertEquals(kernel.peek(handle).left, 0);
});

Deno.test("a name with all its instances is BUSY, before the first-instance flag counts", () => {
  const system = new MemorySystem();
  const kernel = new MemoryKernel(system);
  const server = system.serve(PATH, { most: 1 });
  assertEquals(kernel.create(SPEC, true).status, Status.BUSY);
  assertEquals(kernel.create(SPEC, false).status, Status.BUSY);
  server.close();
  assertEquals(kernel.create(SPEC, true).status, Status.SUCCESS);
  assertEquals(kernel.create(SPEC, true).status, Status.ACCESS_DENIED);
});

Deno.test("disconnecting an instance that listens ends its listen", () => {
  const kernel = new MemoryKernel();
  const server = create(kernel);
  assertEquals(kernel.listen(server, 0), Status.PENDING);
  assertEquals(kernel.disconnect(server), Status.SUCCESS);
  assertEquals(kernel.status(Lane.IN, 0), Status.DISCONNECTED);
  assertEquals(kernel.open(PATH, ACCESS).status, Status.BUSY);
});
