import { mock } from "node:test";
import {
  assert,
  assertEquals,
  assertFalse,
  assertGreater,
  assertLess,
  assertThrows,
} from "@std/assert";
import { type Handle, Lane, type PipeSpec } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { type CompletionHandler, Operation } from "../src/loop/operation.ts";
import { type LoopUser, type WaitFailure, WaitLoop } from "../src/loop/wait_loop.ts";
import { fate, nextTask, PATH } from "./fixture.ts";
import { MemoryKernel, NOTHING_LEFT, type RawClient } from "./memory_kernel.ts";

const SPEC: PipeSpec = {
  path: PATH,
  type: "message",
  direction: "both",
  readBufferSize: 65_536,
  writeBufferSize: 4,
  waitTimeout: 50,
  security: undefined,
  remote: false,
};

const SHORTAGES = [
  Status.OUT_OF_MEMORY,
  Status.NO_SYSTEM_RESOURCES,
  Status.INVALID_USER_BUFFER,
  Status.NOT_ENOUGH_QUOTA,
];

/** A code that no call is known to fail with. */
const STRANGE = 1117;

const LONG = new Uint8Array(100);

/** One end of a pipe on the loop, which records completions. */
class Side implements CompletionHandler {
  readonly handle: Handle;
  readonly slot: number;
  readonly in: Operation;
  readonly out: Operation;
  /** Statuses, in the order of their completions. */
  readonly got: number[] = [];
  /** Called when `completed` throws. */
  crash: (error: unknown) => void = (error) => {
    throw error;
  };
  /** Also called at each completion. */
  then: (operation: Operation) => void = () => {};

  constructor(loop: WaitLoop, handle: Handle) {
    this.handle = handle;
    this.slot = loop.takeSlot();
    this.in = new Operation(this, handle, Lane.IN, this.slot);
    this.out = new Operation(this, handle, Lane.OUT, this.slot);
  }

  completed(operation: Operation): void {
    this.got.push(operation.status);
    this.then(operation);
  }

  crashed(error: unknown): void {
    this.crash(error);
  }
}

/** A loop and its user. */
class Bench implements LoopUser {
  readonly kernel = new MemoryKernel();
  disposals = 0;
  readonly loop = new WaitLoop(this.kernel, () => this.disposals++);
  readonly failures: WaitFailure[] = [];
  abandonments = 0;
  readonly #sides: Side[] = [];

  constructor() {
    this.loop.enter(this);
  }

  failed(failure: WaitFailure): void {
    this.failures.push(failure);
  }

  abandoned(): void {
    this.abandonments++;
    this.#closeHandles();
  }

  /** An instance. */
  side(): Side {
    const { status, handle } = this.kernel.create(SPEC, false);
    assertEquals(status, Status.SUCCESS);
    const side = new Side(this.loop, handle);
    this.#sides.push(side);
    return side;
  }

  /** An instance with a client. */
  pair(): [Side, RawClient] {
    const side = this.side();
    return [side, this.kernel.system.connect(PATH)];
  }

  /** Runs turns until the loop has nothing to do but wait. */
  async idle(): Promise<void> {
    do await nextTask(); while (
      this.kernel.leftovers().turns > 0 || this.kernel.waitState === "over"
    );
  }

  /** Runs single turns, by hand, until the loop waits, and returns how many. */
  async turns(): Promise<number> {
    await nextTask();
    let turns = 0;
    while (this.kernel.runTurn() > 0) {
      turns++;
      await nextTask();
    }
    return turns;
  }

  /** Leaves a wait dispatched after a turn, by hand, has handed out the last operation. */
  async waitForNothing(side: Side = this.pair()[0]): Promise<void> {
    this.loop.read(side.in, 10);
    await this.idle();
    this.kernel.manual = true;
    this.loop.cancel(side.in);
    this.loop.atNextTurn(() => {});
    this.kernel.runTurn();
    assertEquals([side.got, this.loop.operations], [[Status.CANCELLED], 0]);
  }

  /** Ends everything as a user must, and checks that nothing is left. */
  async end(): Promise<void> {
    if (this.abandonments > 0 || this.failures.length > 0) return;
    this.kernel.manual = false;
    this.kernel.holdWaits = false;
    this.kernel.enterWait();
    this.kernel.runTurn();
    this.kernel.returnWait();
    for (const side of this.#sides) {
      side.then = () => {};
      this.loop.cancel(side.in);
      this.loop.cancel(side.out);
    }
    await this.idle();
    this.#closeHandles();
    for (const side of this.#sides) this.loop.freeSlot(side.slot);
    await this.loop.leave(this);
    assertEquals(this.disposals, 1);
    assertEquals(this.kernel.leftovers(), NOTHING_LEFT);
    assertEquals(this.loop.operations, 0);
  }

  #closeHandles(): void {
    for (const { handle } of this.#sides) this.kernel.close(handle);
  }
}

function inBench(name: string, body: (bench: Bench) => Promise<void> | void): void {
  Deno.test(name, async () => {
    const bench = new Bench();
    await body(bench);
    await bench.end();
  });
}

// No completion is missed

for (const late of ["that is pending", "that fails", "that is over at once"]) {
  inBench(
    `WaitLoop sees a completion whose signal was erased by a late submission ${late}`,
    async (bench) => {
      const { kernel, loop } = bench;
      const [waiting, client] = bench.pair();
      const [other, otherClient] = bench.pair();
      if (late === "that fails") otherClient.close();
      if (late === "that is over at once") otherClient.write("there already");
      kernel.holdWaits = true;
      loop.read(waiting.in, 10);
      await bench.idle();
      assertEquals(kernel.waitState, "dispatched");
      client.write("hello");
      loop.readNow(other.in, 100);
      kernel.enterWait();
      await bench.idle();
      assertEquals(waiting.got, [Status.SUCCESS]);
    },
  );
}

inBench(
  "WaitLoop sees a completed write whose signal was erased by another, pending write",
  async (bench) => {
    const { kernel, loop } = bench;
    const [waiting, client] = bench.pair();
    const [other] = bench.pair();
    kernel.holdWaits = true;
    assertEquals(loop.write(waiting.out, LONG), Status.PENDING);
    await bench.idle();
    assertEquals(kernel.waitState, "dispatched");
    client.read();
    assertEquals(loop.write(other.out, LONG), Status.PENDING);
    kernel.enterWait();
    await bench.idle();
    assertEquals(waiting.got, [Status.SUCCESS]);
  },
);

inBench(
  "WaitLoop misses no completion in a hundred rounds of late submissions and late waits",
  async (bench) => {
    const { kernel, loop } = bench;
    const [waiting, client] = bench.pair();
    const [other] = bench.pair();
    kernel.holdWaits = true;
    for (let round = 1; round <= 100; round++) {
      loop.read(waiting.in, 10);
      await bench.idle();
      client.write("hello");
      loop.cancel(other.in);
      await Promise.resolve();
      // Neither in the task nor in the microtask of the completion.
      if (!other.in.expected) loop.readNow(other.in, 10);
      kernel.enterWait();
      await bench.idle();
      kernel.enterWait();
      await bench.idle();
      assertEquals(waiting.got.length, round);
    }
  },
);

inBench("WaitLoop sees a completion between its last look and the wait", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  loop.read(side.in, 10);
  // The signal of this completion is reset by the rearming that follows it.
  const rearm = mock.method(kernel, "rearm", (drained: boolean) => {
    rearm.mock.restore();
    client.write("just in time");
    kernel.rearm(drained);
  });
  await bench.idle();
  assertEquals(side.got, [Status.MORE_DATA]);
});

// The wait

inBench("WaitLoop waits for writes only while one is pending", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  const wait = mock.method(kernel, "wait");
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals(wait.mock.calls.map((call) => call.arguments), [[false]]);
  assertEquals(loop.write(side.out, LONG), Status.PENDING);
  await bench.idle();
  assertEquals(wait.mock.calls.map((call) => call.arguments), [[false], [true]]);
  client.read();
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
  assertEquals(wait.mock.calls.at(-1)?.arguments, [false]);
});

inBench("WaitLoop does not interrupt its wait when a write succeeds at once", async (bench) => {
  const { kernel, loop } = bench;
  const [side] = bench.pair();
  loop.read(side.in, 10);
  await bench.idle();
  const wait = mock.method(kernel, "wait");
  assertEquals(loop.write(side.out, new Uint8Array(1)), Status.SUCCESS);
  await bench.idle();
  assertEquals(wait.mock.callCount(), 0);
  assertEquals(kernel.waitState, "entered");
});

inBench(
  "WaitLoop sees the completion of a write that became pending during a wait without writes",
  async (bench) => {
    const { kernel, loop } = bench;
    const [side, client] = bench.pair();
    loop.read(side.in, 10);
    kernel.holdWaits = true;
    await bench.idle();
    assertEquals(kernel.waitState, "dispatched");
    assertEquals(loop.write(side.out, LONG), Status.PENDING);
    client.read();
    kernel.holdWaits = false;
    kernel.enterWait();
    await bench.idle();
    assertEquals(side.got, [Status.SUCCESS]);
  },
);

inBench(
  "WaitLoop has one wait for all operations, and queues neither turns nor timers while it waits",
  async (bench) => {
    const { kernel, loop } = bench;
    const sides = Array.from({ length: 100 }, () => bench.pair());
    for (const [{ in: operation }] of sides) loop.read(operation, 10);
    await bench.idle();
    const wait = mock.method(kernel, "wait");
    assertEquals(kernel.leftovers(), {
      inFlight: 100,
      open: 100,
      slots: 100,
      waiting: 1,
      timers: 0,
      turns: 0,
    });
    for (let i = 0; i < 20; i++) await nextTask();
    assertEquals(wait.mock.callCount(), 0);
    assertEquals(kernel.leftovers().turns, 0);
    for (const [, client] of sides) client.write("x");
    await bench.idle();
    assert(sides.every(([{ got }]) => got.length === 1));
  },
);

inBench("WaitLoop dispatches no second wait while turns run beside the first", async (bench) => {
  const { kernel, loop } = bench;
  const [waiting] = bench.pair();
  const [side, client] = bench.pair();
  kernel.holdWaits = true;
  loop.read(waiting.in, 10);
  await bench.idle();
  // A wait that is never entered: the pool is full of the program's own blocking calls.
  for (let i = 1; i <= 10; i++) {
    client.write("x");
    loop.read(side.in, 10);
    await bench.idle();
    assertEquals(side.got.length, i);
    assertEquals(kernel.waitState, "dispatched");
  }
});

// Turns

inBench("WaitLoop hands out an operation that is over at once in a later turn", async (bench) => {
  const { kernel, loop } = bench;
  kernel.manual = true;
  const [reading, client] = bench.pair();
  const [listening] = bench.pair();
  const [ended, gone] = bench.pair();
  client.write("hello");
  gone.close();
  loop.read(reading.in, 10);
  loop.listen(listening.in);
  loop.listen(ended.in);
  await nextTask();
  assertEquals([...reading.got, ...listening.got, ...ended.got], []);
  kernel.runTurn();
  assertEquals(reading.got, [Status.SUCCESS]);
  assertEquals(listening.got, [Status.ALREADY_CONNECTED]);
  assertEquals(ended.got, [Status.NO_DATA]);
});

inBench("WaitLoop hands out each operation at most once a turn", async (bench) => {
  const { kernel, loop } = bench;
  kernel.manual = true;
  const sides = [0, 1, 2].map(() => {
    const [side, client] = bench.pair();
    for (let i = 0; i < 50; i++) client.write("x");
    side.then = () => loop.read(side.in, 10);
    loop.read(side.in, 10);
    return side;
  });
  for (let turn = 1; turn <= 50; turn++) {
    kernel.runTurn();
    await nextTask();
    assertEquals(sides.map(({ got }) => got.length), [turn, turn, turn]);
  }
});

inBench("WaitLoop begins each round with another operation", async (bench) => {
  const { kernel, loop } = bench;
  kernel.manual = true;
  const pairs = [0, 1, 2, 3].map(() => bench.pair());
  let first: number[] = [];
  const firsts = new Set<number | undefined>();
  for (const [side] of pairs) {
    side.then = () => first.push(side.slot);
    loop.readNow(side.in, 10);
  }
  for (let round = 0; round < 16; round++) {
    first = [];
    for (const [, client] of pairs) client.write("x");
    loop.atNextTurn(() => {});
    kernel.runTurn();
    assertEquals(first.length, 4);
    firsts.add(first[0]);
    for (const [side] of pairs) loop.readNow(side.in, 10);
    await nextTask();
  }
  assertEquals(firsts.size, 4);
});

inBench(
  "WaitLoop continues a round that is too long for one turn in the next, before it begins another",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.manual = true;
    let now = 0;
    mock.method(kernel, "now", () => now);
    const order: number[] = [];
    for (let i = 0; i < 4; i++) {
      const [side, client] = bench.pair();
      client.write("x");
      client.write("x");
      side.then = () => {
        order.push(side.slot);
        now += 1.5;
        if (side.got.length === 1) loop.read(side.in, 10);
      };
      loop.read(side.in, 10);
    }
    for (let turn = 1; turn <= 8; turn++) {
      kernel.runTurn();
      await nextTask();
      assertEquals(order.length, turn);
    }
    assertEquals(order.slice(0, 4).toSorted(), [0, 1, 2, 3]);
    assertEquals(order.slice(4).toSorted(), [0, 1, 2, 3]);
  },
);

inBench("WaitLoop.atNextTurn() calls back once, in the next turn", async (bench) => {
  const { kernel, loop } = bench;
  kernel.manual = true;
  const called: string[] = [];
  loop.atNextTurn(() => {
    called.push("first");
    loop.atNextTurn(() => called.push("third"));
  });
  loop.atNextTurn(() => called.push("second"));
  await nextTask();
  assertEquals(called, []);
  kernel.runTurn();
  assertEquals(called, ["first", "second"]);
  kernel.runTurn();
  assertEquals(called, ["first", "second", "third"]);
  await bench.turns();
  assertEquals(called.length, 3);
});

/** A loop that reads, and how many turns it takes to wait again after a message. */
async function reading(bench: Bench) {
  const { kernel, loop } = bench;
  kernel.manual = true;
  const [side, client] = bench.pair();
  side.then = () => loop.read(side.in, 10);
  loop.read(side.in, 10);
  await bench.turns();
  return {
    side,
    client,
    async turnsAfter(milliseconds: number): Promise<number> {
      await kernel.advance(milliseconds);
      assertEquals(kernel.waitState, "entered");
      client.write("x");
      assert(kernel.returnWait());
      return await bench.turns();
    },
  };
}

inBench(
  "WaitLoop looks longer before it waits while that pays, and shorter when it does not",
  async (bench) => {
    const { side, turnsAfter } = await reading(bench);

    const first = await turnsAfter(0);
    assertLess(first, 5);
    let many = first;
    for (let i = 0; i < 12; i++) many = await turnsAfter(0);
    assertGreater(many, 8 * first);
    assertLess(many, 1_000);
    let few = many;
    for (let i = 0; i < 12; i++) few = await turnsAfter(5);
    assertLess(few, 5);
    assertEquals(side.got.length, 25);
  },
);

inBench(
  "WaitLoop takes more turns when several operations were over after a wait, however long it was",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.manual = true;
    const pairs = [bench.pair(), bench.pair()];
    for (const [side] of pairs) {
      side.then = () => loop.read(side.in, 10);
      loop.read(side.in, 10);
    }
    await bench.turns();
    let turns = 0;
    for (let i = 0; i < 6; i++) {
      await kernel.advance(5);
      for (const [, client] of pairs) client.write("x");
      assert(kernel.returnWait());
      turns = await bench.turns();
    }
    assertGreater(turns, 16);
  },
);

inBench(
  "WaitLoop takes more turns when they see completions, despite long waits in between",
  async (bench) => {
    const { kernel } = bench;
    const { client, turnsAfter } = await reading(bench);

    for (let i = 0; i < 4; i++) await turnsAfter(0);
    let turns = 0;
    for (let i = 0; i < 6; i++) {
      turns = await turnsAfter(5);
      assertGreater(turns, 2);
      await kernel.advance(0);
      client.write("x");
      assert(kernel.returnWait());
      // Two turns in which nothing completes, repeatedly.
      for (let paid = 0; paid < 6; paid++) {
        for (let j = 0; j < 3; j++) {
          await nextTask();
          assertEquals(kernel.runTurn(), 1);
        }
        client.write("x");
      }
      await bench.turns();
    }
    turns = await turnsAfter(5);
    assertGreater(turns, 16);
  },
);

inBench(
  "WaitLoop gives the microtasks of a turn as much time as the turn itself",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.manual = true;
    let now = 0;
    mock.method(kernel, "now", () => now);
    const [side, client] = bench.pair();
    client.write("x");
    const spent: boolean[] = [];
    side.then = () => {
      now += 1.5;
      spent.push(loop.turnSpent);
      queueMicrotask(() => {
        spent.push(loop.turnSpent);
        now += 1.5;
        spent.push(loop.turnSpent);
      });
    };
    loop.read(side.in, 10);
    kernel.runTurn();
    await nextTask();
    assertEquals(spent, [true, false, true]);
  },
);

// Reads wait for the next round

inBench(
  "WaitLoop.read() submits in the next turn, which hands out the read if it is over at once",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.manual = true;
    const [busy, client] = bench.pair();
    const [silent] = bench.pair();
    loop.read(busy.in, 10);
    loop.read(silent.in, 10);
    await nextTask();
    assertEquals(loop.operations, 0);
    assert(busy.in.expected);
    client.write("x");
    kernel.runTurn();
    assertEquals(busy.got, [Status.SUCCESS]);
    assertEquals(loop.operations, 1);
    assert(silent.in.expected);
  },
);

inBench("WaitLoop serves no client twice while another waits", async (bench) => {
  const { kernel, loop } = bench;
  kernel.manual = true;
  const order: string[] = [];
  const [rare, rareClient] = bench.pair();
  rare.then = () => order.push("rare");
  loop.readNow(rare.in, 10);
  const [busy, busyClient] = bench.pair();
  for (let i = 0; i < 3; i++) busyClient.write("x");
  busy.then = () => {
    order.push("busy");
    if (busy.got.length === 1) rareClient.write("x");
    loop.read(busy.in, 10);
  };
  loop.read(busy.in, 10);
  for (let turn = 1; turn <= 3; turn++) {
    kernel.runTurn();
    await nextTask();
  }
  assertEquals(order, ["busy", "rare", "busy", "busy"]);
});

inBench(
  "WaitLoop looks again after a turn that only finished a round, before it waits",
  async (bench) => {
    const { kernel, loop } = bench;
    let now = 0;
    mock.method(kernel, "now", () => now);
    const [first, firstClient] = bench.pair();
    loop.read(first.in, 10);
    await bench.idle();
    // A long pause: from now on the loop waits as soon as it has nothing to do.
    now += 1_000;
    kernel.holdWaits = true;
    firstClient.write("x");
    await bench.idle();
    const [forgotten, client] = bench.pair();
    const pairs = [bench.pair(), bench.pair()];
    for (const [side] of [[forgotten], ...pairs] as const) loop.readNow(side.in, 10);
    await bench.idle();
    assertEquals(kernel.waitState, "dispatched");
    kernel.manual = true;
    let handed = 0;
    for (const [side, other] of pairs) {
      other.write("x");
      side.then = () => {
        if (handed++ > 0) return;
        client.write("x");
        // Erases the signal of the client's message, and takes the rest of the turn.
        loop.readNow(first.in, 10);
        now += 1.5;
      };
    }
    loop.atNextTurn(() => {});
    for (let turn = 1; turn <= 2; turn++) {
      kernel.runTurn();
      await nextTask();
      assertEquals(handed, turn);
    }
    assertEquals(forgotten.got, []);
    kernel.manual = false;
    kernel.holdWaits = false;
    kernel.enterWait();
    kernel.runTurn();
    await bench.idle();
    assertEquals(forgotten.got, [Status.SUCCESS]);
  },
);

inBench(
  "WaitLoop.atNextTurn() calls back in the order of the calls, even after a long turn",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.manual = true;
    let now = 0;
    mock.method(kernel, "now", () => now);
    const order: string[] = [];
    loop.atNextTurn(() => {
      order.push("first");
      now += 1.5;
      loop.atNextTurn(() => order.push("last"));
    });
    loop.atNextTurn(() => order.push("second"));
    await bench.turns();
    assertEquals(order, ["first", "second", "last"]);
  },
);

inBench("WaitLoop goes on if one of its callbacks throws", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  loop.read(side.in, 10);
  await bench.idle();
  kernel.manual = true;
  const order: string[] = [];
  loop.atNextTurn(() => {
    throw new Error("planted");
  });
  loop.atNextTurn(() => order.push("second"));
  client.write("x");
  assertThrows(() => kernel.runTurn(), Error, "planted");
  await bench.turns();
  assertEquals([order, side.got], [["second"], [Status.SUCCESS]]);
});

inBench(
  "WaitLoop.cancel() of a read that is not submitted yet still reads a message that has arrived",
  async (bench) => {
    const { loop } = bench;
    const [silent] = bench.pair();
    const [busy, client] = bench.pair();
    client.write("before the cancel");
    loop.read(silent.in, 100);
    loop.read(busy.in, 100);
    loop.cancel(silent.in);
    loop.cancel(busy.in);
    assertEquals([...silent.got, ...busy.got], []);
    await bench.idle();
    assertEquals(silent.got, [Status.CANCELLED]);
    assertEquals(busy.got, [Status.SUCCESS]);
  },
);

inBench(
  "WaitLoop.cancel() of a read that is not submitted yet ends it during a shortage",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.decisions.fails = (call) => call === "read" ? Status.OUT_OF_MEMORY : undefined;
    const [side] = bench.pair();
    loop.read(side.in, 10);
    loop.cancel(side.in);
    assertEquals(kernel.leftovers().timers, 0);
    await bench.idle();
    assertEquals(side.got, [Status.CANCELLED]);
  },
);

// Statuses that are not definite

for (const status of [Status.UNKNOWN, STRANGE]) {
  inBench(`WaitLoop asks whether it is in flight after status ${status}: it is`, async (bench) => {
    const { kernel, loop } = bench;
    kernel.decisions.answers = () => status;
    const [reading] = bench.pair();
    const listening = bench.side();
    loop.readNow(reading.in, 10);
    loop.listen(listening.in);
    assertEquals(loop.write(reading.out, LONG), Status.PENDING);
    assertEquals(loop.operations, 3);
    // Asking has cancelled it.
    await bench.idle();
    assertEquals(reading.got, [Status.CANCELLED, Status.CANCELLED]);
    assertEquals(listening.got, [Status.CANCELLED]);
  });

  inBench(
    `WaitLoop asks whether it is in flight after status ${status}: it has a result`,
    async (bench) => {
      const { kernel, loop } = bench;
      kernel.decisions.answers = () => status;
      const [side, client] = bench.pair();
      client.write("hello");
      loop.read(side.in, 4);
      assertEquals(loop.write(side.out, new Uint8Array(1)), Status.SUCCESS);
      await bench.idle();
      assertEquals(side.got, [Status.MORE_DATA]);
      assertEquals(kernel.transferred(Lane.IN, side.slot), 4);
    },
  );

  inBench(
    `WaitLoop asks whether it is in flight after status ${status}: it has failed`,
    async (bench) => {
      const { kernel, loop } = bench;
      kernel.decisions.answers = () => status;
      const [side, client] = bench.pair();
      client.close();
      loop.read(side.in, 10);
      assertEquals(loop.write(side.out, new Uint8Array(1)), status);
      assertEquals(loop.operations, 0);
      await bench.idle();
      // Its status word stays PENDING for ever, so it must not be waited for.
      assertEquals(kernel.status(Lane.IN, side.slot), Status.PENDING);
      assertEquals(side.got, [status]);
    },
  );
}

inBench("WaitLoop waits for an operation that asking did not cancel", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  kernel.decisions.answers = () => Status.UNKNOWN;
  kernel.decisions.cancels = () => false;
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals(side.got, []);
  client.write("hello");
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
});

inBench("WaitLoop hands out a result although PENDING was returned", async (bench) => {
  const { kernel, loop } = bench;
  kernel.decisions.answers = () => Status.PENDING;
  const [side, client] = bench.pair();
  client.write("hello");
  loop.read(side.in, 4);
  assertEquals(loop.write(side.out, new Uint8Array(1)), Status.PENDING);
  await bench.idle();
  assertEquals(side.got.toSorted(), [Status.SUCCESS, Status.MORE_DATA]);
});

// Shortages

for (const status of SHORTAGES) {
  inBench(
    `WaitLoop submits an operation again that a shortage prevented (${status})`,
    async (bench) => {
      const { kernel, loop } = bench;
      let short = true;
      kernel.decisions.fails = (call) => {
        if (!short) return undefined;
        // A write for which Windows has no memory is not repeated.
        if (call === "write") return Status.NOT_SUBMITTED;
        return call === "listen" || call === "read" ? status : undefined;
      };
      const [side, client] = bench.pair();
      const listening = bench.side();
      const message = new Uint8Array([1, 2]);
      loop.listen(listening.in);
      loop.read(side.in, 10);
      assertEquals(loop.write(side.out, message), Status.PENDING);
      message.fill(9);
      await kernel.advance(3_000);
      await bench.idle();
      assertEquals([...side.got, ...listening.got], []);
      short = false;
      await kernel.advance(1_000);
      await bench.idle();
      assertEquals(client.read(), new Uint8Array([1, 2]));
      assertEquals(side.got, [Status.SUCCESS]);
      client.write("x");
      kernel.system.connect(PATH);
      await bench.idle();
      assertEquals(side.got, [Status.SUCCESS, Status.SUCCESS]);
      assertEquals(listening.got, [Status.SUCCESS]);
      assertEquals(kernel.leftovers().timers, 0);
    },
  );
}

for (const status of SHORTAGES) {
  inBench(
    `WaitLoop.write() returns a shortage of Windows (${status}), before and after one of its own`,
    async (bench) => {
      const { kernel, loop } = bench;
      const [side, client] = bench.pair();
      kernel.failNext("write", status);
      assertEquals(loop.write(side.out, new Uint8Array(2)), status);
      kernel.failNext("write", Status.NOT_SUBMITTED);
      kernel.failNext("write", status);
      assertEquals(loop.write(side.out, new Uint8Array(2)), Status.PENDING);
      await kernel.advance(1);
      await bench.idle();
      assertEquals(side.got, [status]);
      assertEquals(client.read(), undefined);
    },
  );
}

inBench("WaitLoop submits a read again that completes with a shortage", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  const answers = mock.method(kernel, "status", () => {
    answers.mock.restore();
    kernel.status(Lane.IN, side.slot);
    return Status.NO_SYSTEM_RESOURCES;
  });
  loop.readNow(side.in, 10);
  client.write("lost");
  client.write("kept");
  await bench.idle();
  assertEquals(side.got, []);
  await kernel.advance(1);
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
});

inBench(
  "WaitLoop tries again after pauses that grow to a second, and start short after the shortage",
  async (bench) => {
    const { kernel, loop } = bench;
    const [side, client] = bench.pair();
    const tries: number[] = [];
    let short = true;
    kernel.decisions.fails = (call) => {
      if (call !== "read") return undefined;
      tries.push(kernel.now());
      return short ? Status.NO_SYSTEM_RESOURCES : undefined;
    };
    loop.readNow(side.in, 10);
    await kernel.advance(5_000);
    const pauses = tries.slice(1).map((time, i) => time - (tries[i] ?? 0));
    assertEquals(pauses.slice(0, 4), [1, 2, 4, 8]);
    assertEquals(pauses.at(-1), 1_000);
    assertEquals(pauses, pauses.toSorted((a, b) => a - b));
    short = false;
    await kernel.advance(1_000);
    client.write("x");
    await bench.idle();
    assertEquals(side.got, [Status.SUCCESS]);
    short = true;
    tries.length = 0;
    loop.readNow(side.in, 10);
    await kernel.advance(1);
    assertEquals(tries.length, 2);
  },
);

inBench(
  "WaitLoop.repeat() hands out a result again after pauses that grow, and later start short",
  async (bench) => {
    const { kernel, loop } = bench;
    const times: number[] = [];
    const pass = async (milliseconds: number) => {
      for (let i = 0; i < milliseconds; i++) {
        await bench.idle();
        await kernel.advance(1);
      }
    };
    let left = 5;
    const side = bench.side();
    side.then = (operation) => {
      times.push(kernel.now());
      if (left-- > 0) loop.repeat(operation);
    };
    loop.complete(side.in, Status.MORE_DATA);
    await pass(300);
    const pauses = () => times.slice(1).map((time, i) => time - (times[i] ?? 0));
    assertEquals(pauses(), [1, 2, 4, 8, 16]);
    left = 2;
    times.length = 0;
    loop.complete(side.in, Status.MORE_DATA);
    await pass(10);
    assertEquals(pauses(), [1, 2]);
  },
);

inBench(
  "WaitLoop.cancel() hands out a result that is to be repeated at once, unchanged",
  async (bench) => {
    const { kernel, loop } = bench;
    const [side] = bench.pair();
    side.in.status = Status.MORE_DATA;
    loop.repeat(side.in);
    loop.cancel(side.in);
    await bench.idle();
    assertEquals(side.got, [Status.MORE_DATA]);
    assertEquals(kernel.leftovers().timers, 0);
  },
);

inBench(
  "WaitLoop.cancel() ends a deferred operation with CANCELLED, and leaves no timer",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.decisions.fails = (call) =>
      call === "read" || call === "write" ? Status.NOT_SUBMITTED : undefined;
    const [side] = bench.pair();
    loop.read(side.in, 10);
    assertEquals(loop.write(side.out, new Uint8Array(1)), Status.PENDING);
    loop.cancel(side.in);
    loop.cancel(side.out);
    assertEquals(side.got, []);
    await bench.idle();
    assertEquals(side.got, [Status.CANCELLED, Status.CANCELLED]);
    assertEquals(kernel.leftovers().timers, 0);
  },
);

// Cancelling

inBench("WaitLoop.cancel() hands out the operation's own result, once", async (bench) => {
  const { kernel, loop } = bench;
  const [idle] = bench.pair();
  const [late, client] = bench.pair();
  kernel.holdCompletions = true;
  loop.readNow(idle.in, 10);
  loop.readNow(late.in, 10);
  client.write("before the cancel");
  loop.cancel(idle.in);
  loop.cancel(late.in);
  await bench.idle();
  assertEquals([...idle.got, ...late.got], []);
  kernel.holdCompletions = false;
  while (kernel.deliver());
  await bench.idle();
  assertEquals(idle.got, [Status.CANCELLED]);
  assertEquals(late.got, [Status.MORE_DATA]);
  loop.cancel(idle.in);
  await bench.idle();
  assertEquals(idle.got.length, 1);
  assertFalse(idle.in.expected);
});

inBench("WaitLoop.complete() hands out a known result in a later turn", async (bench) => {
  const { loop } = bench;
  const [side] = bench.pair();
  loop.complete(side.out, STRANGE);
  assert(side.out.expected);
  assertEquals(side.got, []);
  await bench.idle();
  assertEquals(side.got, [STRANGE]);
});

// Slots

inBench("WaitLoop.takeSlot() takes the free slot with the lowest number", async (bench) => {
  const { loop } = bench;
  const slots = [0, 1, 2, 3].map(() => loop.takeSlot());
  assertEquals(slots, [0, 1, 2, 3]);
  loop.freeSlot(2);
  loop.freeSlot(1);
  assertEquals([loop.takeSlot(), loop.takeSlot(), loop.takeSlot()], [1, 2, 4]);
  await bench.idle();
});

// What keeps the program running

/** A user that only holds the loop, or does not. */
const OTHER: LoopUser = { failed: () => {}, abandoned: () => {} };

inBench("WaitLoop lets the program end while no user holds it, and serves on", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals(kernel.keepsProgram, true);
  loop.release(bench);
  assertEquals([kernel.waitState, kernel.keepsProgram], ["entered", false]);
  client.write("x");
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
  // A wait that is dispatched later does not keep it either.
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals([kernel.waitState, kernel.keepsProgram], ["entered", false]);
});

inBench("WaitLoop.hold() makes a dispatched wait and a timer keep the program", async (bench) => {
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  const [deferred] = bench.pair();
  loop.release(bench);
  loop.read(side.in, 10);
  kernel.failNext("read", Status.OUT_OF_MEMORY);
  loop.readNow(deferred.in, 10);
  await bench.idle();
  assertEquals([kernel.leftovers().timers, kernel.keepsProgram], [1, false]);
  loop.hold(bench);
  assertEquals(kernel.keepsProgram, true);
  client.write("x");
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
  await kernel.advance(10);
});

inBench(
  "WaitLoop tells the kernel only when the first user holds it or the last does not",
  async (bench) => {
    const { kernel, loop } = bench;
    const keepAlive = mock.method(kernel, "keepAlive");
    const told = () => keepAlive.mock.calls.map(({ arguments: [on] }) => on);
    loop.enter(OTHER);
    loop.hold(bench);
    loop.release(bench);
    loop.release(bench);
    assertEquals(told(), []);
    loop.release(OTHER);
    assertEquals(told(), [false]);
    loop.hold(OTHER);
    loop.hold(OTHER);
    loop.hold(bench);
    assertEquals(told(), [false, true]);
    loop.release(OTHER);
    assertEquals(told(), [false, true]);
    await loop.leave(OTHER);
    assertEquals(told(), [false, true]);
  },
);

inBench("WaitLoop lets go of the program when the last user that held it leaves", async (bench) => {
  const { kernel, loop } = bench;
  const [side] = bench.pair();
  loop.enter(OTHER);
  loop.release(bench);
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals(kernel.keepsProgram, true);
  await loop.leave(OTHER);
  assertEquals(kernel.keepsProgram, false);
});

Deno.test("WaitLoop.leave() of a user that does not hold the loop can be awaited", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  loop.release(bench);
  const [side] = bench.pair();
  await bench.waitForNothing(side);
  await bench.turns();
  assertEquals(kernel.keepsProgram, false);
  kernel.close(side.handle);
  loop.freeSlot(side.slot);
  const left = fate(loop.leave(bench));
  assertEquals(kernel.keepsProgram, true);
  assert(kernel.returnWait());
  await bench.turns();
  assertEquals([left.state, kernel.keepsProgram], ["resolved", false]);
});

inBench("WaitLoop waits anew when a wait returns because it cannot let go", async (bench) => {
  const { kernel, loop } = bench;
  kernel.letsGo = false;
  const [side, client] = bench.pair();
  const wait = mock.method(kernel, "wait");
  loop.read(side.in, 10);
  await bench.idle();
  for (const [waits, change] of [[2, loop.release], [3, loop.hold]] as const) {
    change.call(loop, bench);
    await bench.idle();
    assertEquals([wait.mock.callCount(), kernel.waitState, side.got], [waits, "entered", []]);
  }
  client.write("x");
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
});

inBench("WaitLoop lets the program end between turns, however busy it is", async (bench) => {
  const { kernel, loop } = bench;
  kernel.manual = true;
  let turns = 0;
  const busy = () => {
    turns++;
    kernel.pass(1);
    loop.atNextTurn(busy);
  };
  /** How many turns there are until one that does not keep the program, of so many. */
  const turnsUntilPause = (most: number) => {
    for (turns = 0; turns < most && kernel.keepsProgram;) kernel.runTurn();
    return turns;
  };
  loop.atNextTurn(busy);
  assertEquals(turnsUntilPause(1_000), 1_000);
  loop.release(bench);
  for (let i = 0; i < 3; i++) {
    const spell = turnsUntilPause(1_000);
    assertGreater(spell, 90);
    assertLess(spell, 110);
    // It goes on after that.
    assertEquals(kernel.runTurn(), 1);
  }
  loop.hold(bench);
  assertEquals(turnsUntilPause(1_000), 1_000);
  mock.method(loop, "atNextTurn", () => {});
  await bench.turns();
});

Deno.test("WaitLoop says nothing of the program to a kernel that is abandoned", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  loop.release(bench);
  kernel.unload();
  const keepAlive = mock.method(kernel, "keepAlive");
  loop.hold(bench);
  loop.release(bench);
  await loop.leave(bench);
  assertEquals(keepAlive.mock.callCount(), 0);
});

// The end

Deno.test("WaitLoop tells all its users when a wait fails, and why", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  const more: WaitFailure[] = [];
  loop.enter({ failed: (failure) => more.push(failure), abandoned: () => {} });
  kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  const [side] = bench.pair();
  loop.read(side.in, 10);
  await bench.idle();
  const failure = { call: "WaitForMultipleObjects", status: Status.INVALID_HANDLE };
  assertEquals(bench.failures, [failure]);
  assertEquals(more, [failure]);
  // The isolate no longer uses this loop.
  assertEquals(bench.disposals, 1);
  assertEquals(side.got, []);
  await loop.leave(bench);
  assertEquals(kernel.leftovers().turns, 0);
});

Deno.test("WaitLoop submits nothing after a wait has failed", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  const [deferred] = bench.pair();
  const [side] = bench.pair();
  kernel.failNext("read", Status.OUT_OF_MEMORY);
  loop.read(deferred.in, 10);
  kernel.decisions.failsWait = () => Status.INVALID_HANDLE;
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals(bench.failures.length, 1);
  const read = mock.method(kernel, "read");
  await kernel.advance(10_000);
  assertEquals(read.mock.callCount(), 0);
  assertEquals(kernel.leftovers().timers, 0);
});

inBench("WaitLoop waits only while something is in flight", async (bench) => {
  const { kernel, loop } = bench;
  loop.atNextTurn(() => {});
  await bench.idle();
  assertEquals(kernel.waitState, "none");
  const [side, client] = bench.pair();
  loop.read(side.in, 10);
  await bench.idle();
  assertEquals(kernel.waitState, "entered");
  client.write("x");
  await bench.idle();
  assertEquals([side.got, kernel.waitState], [[Status.SUCCESS], "none"]);
});

inBench(
  "WaitLoop leaves no wait behind when a turn hands out the last completion",
  async (bench) => {
    const { kernel, loop } = bench;
    kernel.holdWaits = true;
    const [side, client] = bench.pair();
    loop.read(side.in, 10);
    await bench.idle();
    kernel.manual = true;
    client.write("x");
    loop.atNextTurn(() => {});
    kernel.runTurn();
    client.close();
    // This fails at once, and erases the signal of the read before.
    loop.read(side.in, 10);
    await bench.turns();
    assertEquals([side.got, kernel.waitState], [[Status.SUCCESS, Status.BROKEN], "dispatched"]);
    kernel.enterWait();
    assert(kernel.returnWait());
    await bench.turns();
    assertEquals(kernel.waitState, "none");
  },
);

Deno.test("WaitLoop.leave() resolves when the wait has returned and the kernel is disposed", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  const [side] = bench.pair();
  await bench.waitForNothing(side);
  kernel.close(side.handle);
  loop.freeSlot(side.slot);
  const left = fate(loop.leave(bench));
  await bench.turns();
  assertEquals([left.state, bench.disposals], ["pending", 0]);
  assert(kernel.returnWait());
  await bench.turns();
  assertEquals([left.state, bench.disposals], ["resolved", 1]);
  assertEquals(kernel.leftovers(), NOTHING_LEFT);
});

inBench("WaitLoop.leave() ends an unused loop at once", () => {});

inBench("WaitLoop.leave() keeps the loop while it has other users", async (bench) => {
  const other: LoopUser = { failed: () => {}, abandoned: () => {} };
  bench.loop.enter(other);
  await bench.loop.leave(other);
  await bench.idle();
  assertEquals(bench.disposals, 0);
  const [side, client] = bench.pair();
  bench.loop.read(side.in, 10);
  client.write("x");
  await bench.idle();
  assertEquals(side.got, [Status.SUCCESS]);
});

inBench("WaitLoop continues for a user that enters while it ends", async (bench) => {
  const { kernel, loop } = bench;
  await bench.waitForNothing();
  const left = fate(loop.leave(bench));
  await nextTask();
  loop.enter(bench);
  await nextTask();
  // The user that leaves does not wait for the one that enters.
  assertEquals(left.state, "resolved");
  const [side, client] = bench.pair();
  loop.read(side.in, 10);
  client.write("x");
  kernel.manual = false;
  kernel.returnWait();
  kernel.runTurn();
  await bench.idle();
  assertEquals(bench.disposals, 0);
  assertEquals(side.got, [Status.SUCCESS]);
});

Deno.test("WaitLoop.leave() resolves even if the wait that it ends fails", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  mock.method(kernel, "wait", () => promise);
  await bench.waitForNothing();
  const left = fate(loop.leave(bench));
  await bench.turns();
  assertEquals(left.state, "pending");
  resolve(false);
  await bench.turns();
  assertEquals(left.state, "resolved");
});

Deno.test("WaitLoop tells its users when the program exits, and submits nothing more", async () => {
  const bench = new Bench();
  const { kernel, loop } = bench;
  const [side, client] = bench.pair();
  const [deferred] = bench.pair();
  loop.read(side.in, 10);
  kernel.failNext("read", Status.OUT_OF_MEMORY);
  loop.read(deferred.in, 10);
  await bench.idle();
  kernel.unload();
  assertEquals(bench.abandonments, 1);
  assertEquals(client.ended, Status.BROKEN);
  assertEquals(kernel.system.names, []);
  assertEquals(kernel.leftovers().open, 0);
  // Nothing that still happens in this isolate violates the contract.
  await kernel.advance(10_000);
  await bench.idle();
  assertEquals(side.got, []);
  assertEquals(kernel.leftovers().timers, 0);
});

for (const who of ["a callback", "a handler"]) {
  Deno.test(`WaitLoop does nothing more when ${who} makes the program go away`, async () => {
    const bench = new Bench();
    const { kernel, loop } = bench;
    const sides = [bench.pair(), bench.pair(), bench.pair()] as const;
    const [[first, client], [second, other], [third]] = sides;
    loop.read(first.in, 10);
    loop.read(second.in, 10);
    await bench.idle();
    const unload = () => {
      loop.atNextTurn(() => third.got.push(Status.UNKNOWN));
      kernel.unload();
    };
    // Two reads are over, and the third is to be submitted.
    client.write("x");
    other.write("x");
    loop.read(third.in, 10);
    if (who === "a handler") first.then = second.then = unload;
    else for (let i = 0; i < 2; i++) loop.atNextTurn(unload);
    await bench.idle();
    assertEquals(bench.abandonments, 1);
    assertEquals(
      [first, second, third].flatMap(({ got }) => got).length,
      who === "a handler" ? 1 : 0,
    );
    assertEquals(kernel.breach, undefined);
  });
}
