/**
 * What an exchange costs besides the system's own work, counted, not timed: calls of the kernel, and
 * what is allocated. It must not grow unnoticed.
 */

import { assert } from "@std/assert";
import { exchangeAll } from "../bench/own_cost.ts";
import { PromptKernel } from "../bench/prompt_kernel.ts";
import type { Responder } from "../src/exchange/responders.ts";

/** So many that what is done once for each client is less than {@linkcode RARE}. */
const EXCHANGES = 2_000;
const EXCHANGES_OF_A_CLIENT = 200;

/** What is done less often than this is no part of an exchange. */
const RARE = 0.05;

/** Whose constructions are counted. Literals and closures cannot be. */
const COUNTED = [
  "ArrayBuffer",
  "Uint8Array",
  "DataView",
  "Map",
  "Set",
  "WeakMap",
  "WeakRef",
  "AbortController",
  "Error",
  "TextDecoder",
  "TextEncoder",
] as const;

type Counts = Map<string, number>;

function increment(counts: Counts, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** Its clock stands still: no turn is cut short because the machine is slow. */
class TimelessKernel extends PromptKernel {
  override now = () => 0;
}

/** Counts the calls of every function of the kernel. */
function countingCalls(kernel: PromptKernel, counts: Counts): PromptKernel {
  return new Proxy(kernel, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        increment(counts, String(name));
        return Reflect.apply(value, target, args);
      };
    },
  });
}

/** Counts what is constructed by name, or by `subarray` and the like, until it is disposed of. */
function countingConstructions(counts: Counts): Disposable {
  const stack = new DisposableStack();
  for (const name of COUNTED) {
    const original = Reflect.get(globalThis, name);
    const counting = new Proxy(original, {
      construct(target, args, newTarget) {
        increment(counts, name);
        return Reflect.construct(target, args, newTarget);
      },
    });
    const install = (constructor: unknown) => {
      Reflect.set(globalThis, name, constructor);
      Reflect.set(original.prototype, "constructor", constructor);
    };
    install(counting);
    stack.defer(() => install(original));
  }
  return stack;
}

type SetPromiseHooks = (init: (() => void) | undefined) => void;

/** Deno's undocumented way to see every promise, those of async functions too; undefined without. */
function promiseHooks(): SetPromiseHooks | undefined {
  const symbol: unknown = Reflect.get(Deno, "internal");
  const core: unknown = typeof symbol === "symbol" ? Reflect.get(Deno, symbol)?.core : undefined;
  if (typeof core !== "object" || core === null) return undefined;
  const set: unknown = Reflect.get(core, "setPromiseHooks");
  return typeof set !== "function"
    ? undefined
    : (init) => Reflect.apply(set, core, [init, undefined, undefined, undefined]);
}

const setPromiseHooks = promiseHooks();

function countingPromises(counts: Counts): Disposable {
  setPromiseHooks?.(() => increment(counts, "Promise"));
  return { [Symbol.dispose]: () => setPromiseHooks?.(undefined) };
}

/** How much of each there may be. */
type Limits = Readonly<Record<string, number>>;

/** What an exchange may call, whichever the responder. */
const CALLS: Limits = { read: 1, transferred: 1, takeNew: 1, write: 1 };

/** What comes with each turn, in which all clients have one exchange. */
const CALLS_OF_A_TURN: Limits = { nextTurn: 1, now: 2, snapshot: 1, seemsPending: 4 };

/** Refuses more than was allowed; what is not named is not allowed. */
function assertWithin(counts: Counts, exchanges: number, limit: (name: string) => number): void {
  for (const [name, count] of counts) {
    const [each, most] = [count / exchanges, limit(name) + RARE];
    assert(each <= most, `${name}: ${each.toFixed(3)} for each exchange, more than ${most}`);
  }
}

interface Kind {
  readonly responder: Responder;
  /** Readings of the clock: whether the turn has lasted too long, after each step. */
  readonly now: number;
  readonly allocates: Limits;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "a responder that returns its reply": {
    responder: (request) => request,
    now: 1,
    // The request, and a view of the reply that the program cannot exchange meanwhile.
    allocates: { Uint8Array: 2 },
  },
  "a responder that returns a promise": {
    responder: (request) => Promise.resolve(request),
    now: 2,
    // The responder's own promise is one of them.
    allocates: { Uint8Array: 2, Promise: 4 },
  },
};

for (const [kind, { responder, now, allocates }] of Object.entries(KINDS)) {
  for (const clients of [1, 8, 32, 128]) {
    const exchanges = EXCHANGES + clients * EXCHANGES_OF_A_CLIENT;

    Deno.test(`${kind}, ${clients} clients: no more calls of the kernel than needed`, async () => {
      const calls: Counts = new Map();
      await exchangeAll(countingCalls(new TimelessKernel(clients), calls), exchanges, responder);
      const limit = (name: string) =>
        (name === "now" ? now : CALLS[name] ?? 0) + (CALLS_OF_A_TURN[name] ?? 0) / clients;
      assertWithin(calls, exchanges, limit);
    });

    Deno.test(`${kind}, ${clients} clients: nothing is allocated but what is handed out`, async () => {
      const allocated: Counts = new Map();
      {
        using _constructions = countingConstructions(allocated);
        using _promises = countingPromises(allocated);
        await exchangeAll(new TimelessKernel(clients), exchanges, responder);
      }
      assert(allocated.size > 0);
      assertWithin(allocated, exchanges, (name) => allocates[name] ?? 0);
    });
  }
}

Deno.test("an allocation that is added to an exchange is noticed", async () => {
  const allocated: Counts = new Map();
  {
    using _constructions = countingConstructions(allocated);
    await exchangeAll(new TimelessKernel(8), EXCHANGES, (request) => request.slice());
  }
  assert((allocated.get("Uint8Array") ?? 0) >= 3 * EXCHANGES);
});
