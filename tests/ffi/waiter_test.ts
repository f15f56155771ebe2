import { assert, assertEquals, assertFalse } from "@std/assert";
import { newCounters } from "../../ffi/counters.ts";
import { type OpPromises, opPromises } from "../../ffi/op_promises.ts";
import { WAIT_TIMEOUT } from "../../ffi/structs.ts";
import { Waiter, type WaiterCalls } from "../../ffi/waiter.ts";
import { fate, nextTask } from "../fixture.ts";

/** The events of a waiter, in the order in which it creates and waits for them. */
const WAKE = 0;
const ARRIVALS = 1;

/** Events, and who waits for them. */
class FakeEvents implements WaiterCalls {
  readonly #set: boolean[] = [];
  /** The wait on another thread. */
  parked: { readonly call: Promise<number>; readonly count: number } | undefined = undefined;
  #resolve: (index: number) => void = () => {};
  /** Calls that look at the events without waiting. */
  looks = 0;

  CreateEventW = (): bigint => BigInt(this.#set.push(false));
  CloseHandle = (): number => 1;
  GetLastError = (): number => 0;
  copyIn = (): void => {};

  SetEvent = (handle: bigint): number => {
    this.#set[Number(handle) - 1] = true;
    const index = this.parked === undefined ? -1 : this.#take(this.parked.count);
    if (index === -1) return 1;
    this.parked = undefined;
    this.#resolve(index);
    return 1;
  };

  ResetEvent = (handle: bigint): number => {
    this.#set[Number(handle) - 1] = false;
    return 1;
  };

  WaitForMultipleObjects = (count: number): number => {
    this.looks++;
    const index = this.#take(count);
    return index === -1 ? WAIT_TIMEOUT : index;
  };

  parkForMultipleObjects = (count: number): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#resolve = resolve;
    this.parked = { call: promise, count };
    return promise;
  };

  #take(count: number): number {
    const index = this.#set.slice(0, count).indexOf(true);
    if (index === WAKE) this.#set[WAKE] = false;
    return index;
  }
}

/** Records what a waiter says of its calls. */
class FakePromises implements OpPromises {
  /** The call that was said not to keep the program running, if one was. */
  unrefd: Promise<unknown> | undefined = undefined;
  fails = false;

  ref = (): void => {
    this.unrefd = undefined;
  };

  unref = (call: Promise<unknown>): void => {
    if (this.fails) throw new TypeError("planted: there is no such function");
    this.unrefd = call;
  };
}

function newWaiter(promises?: OpPromises): { events: FakeEvents; waiter: Waiter } {
  const events = new FakeEvents();
  const slab = { allocate: () => ({ address: 0x1000n }) };
  return { events, waiter: new Waiter(events, slab, newCounters(), promises ?? null) };
}

/** Lets tasks pass until something is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTask();
}

Deno.test("Waiter.keepAlive() lets go of the wait that is dispatched, and takes hold of it again", async () => {
  const promises = new FakePromises();
  const { events, waiter } = newWaiter(promises);
  const first = waiter.wait(false);
  assertEquals(promises.unrefd, undefined);
  waiter.keepAlive(false);
  assertEquals([promises.unrefd], [events.parked?.call]);
  waiter.keepAlive(true);
  assertEquals(promises.unrefd, undefined);
  waiter.wake();
  assert(await first);
});

Deno.test("Waiter lets go of a wait that is dispatched later", async () => {
  const promises = new FakePromises();
  const { events, waiter } = newWaiter(promises);
  waiter.keepAlive(false);
  const wait = waiter.wait(true);
  assert(events.parked !== undefined);
  assertEquals(promises.unrefd, events.parked.call);
  waiter.wake();
  assert(await wait);
  assertEquals(events.looks, 0);
});

Deno.test("Waiter polls where nothing lets go of a wait, while it keeps nothing alive", async () => {
  const { events, waiter } = newWaiter();
  waiter.keepAlive(false);
  const wait = fate(waiter.wait(false));
  assertEquals([events.parked, events.looks], [undefined, 0]);
  await until(() => events.looks === 2);
  // A write is no matter to this wait, an arrival is.
  events.SetEvent(waiter.drained);
  await until(() => events.looks === 3);
  assertEquals(wait.state, "pending");
  events.SetEvent(waiter.arrivals);
  await until(() => wait.state !== "pending");
  assertEquals([wait.value, events.looks], [true, 4]);
});

Deno.test("Waiter that polls notices wake() at once, and never a signal in the same task", async () => {
  const { events, waiter } = newWaiter();
  waiter.keepAlive(false);
  const wait = fate(waiter.wait(false));
  waiter.wake();
  assertEquals(events.looks, 1);
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(wait.state, "resolved");
  events.SetEvent(waiter.arrivals);
  const next = fate(waiter.wait(false));
  for (let i = 0; i < 10; i++) await Promise.resolve();
  assertEquals([next.state, events.looks], ["pending", 1]);
  await until(() => next.state === "resolved");
});

Deno.test("Waiter.keepAlive() ends a wait that would be of the wrong kind", async () => {
  const { events, waiter } = newWaiter();
  const parked = waiter.wait(false);
  waiter.keepAlive(false);
  assert(await parked);
  const polling = waiter.wait(false);
  assertEquals(events.parked, undefined);
  waiter.keepAlive(true);
  assert(await polling);
  const again = waiter.wait(false);
  assertEquals(events.parked?.count, ARRIVALS + 1);
  waiter.wake();
  assert(await again);
});

Deno.test("Waiter polls once what lets go of a wait has failed", async () => {
  const promises = new FakePromises();
  const { events, waiter } = newWaiter(promises);
  const first = waiter.wait(false);
  promises.fails = true;
  waiter.keepAlive(false);
  assert(await first);
  const second = waiter.wait(false);
  assertEquals(events.parked, undefined);
  waiter.wake();
  assert(await second);
});

Deno.test("Waiter.abandon() ends a wait that polls", async () => {
  const { waiter } = newWaiter();
  waiter.keepAlive(false);
  const wait = waiter.wait(true);
  waiter.abandon();
  assert(await wait);
});

Deno.test("opPromises() finds what lets go of a call, and nothing where that is missing", () => {
  const promises = opPromises();
  assert(promises !== undefined);
  const symbol: unknown = Reflect.get(Deno, "internal");
  assert(typeof symbol === "symbol");
  const core = Object.getOwnPropertyDescriptor(Deno, symbol);
  assert(core !== undefined);
  try {
    for (const value of [undefined, {}, { core: null }, { core: { refOpPromise: 1 } }]) {
      Object.defineProperty(Deno, symbol, { ...core, value });
      assertEquals(opPromises(), undefined);
    }
  } finally {
    Object.defineProperty(Deno, symbol, core);
  }
  assertFalse(opPromises() === undefined);
});
