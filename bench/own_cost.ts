/**
 * JavaScript's own share of an exchange: `serve` over a kernel that answers every call at once.
 *
 * What is left is this module's work and the event loop's turns; no system call is made. Needs no
 * Windows: `deno task bench:own-cost`.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { type Identified, type Kernel, Lane } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { serveOn } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { WaitLoop } from "../src/loop/wait_loop.ts";
import { median } from "./statistics.ts";

const CLIENTS = [1, 8, 32, 128];
const EXCHANGES = 200_000;
const ROUNDS = 7;
const REQUEST = new Uint8Array(64).fill(120);

const IDENTIFIED: Identified = {
  status: Status.SUCCESS,
  call: "",
  identity: { sid: "S-1-5-21-1", integrity: 0x2000, elevated: false },
};

/** So many clients come, and each asks again as soon as it is answered, until time is up. */
class PromptKernel implements Kernel {
  #clients: number;
  #open = true;
  #handles = 0n;
  readonly #cancelled: boolean[][] = [[], []];
  readonly #pending: boolean[][] = [[], []];
  readonly #sizes: number[] = [];

  constructor(clients: number) {
    this.#clients = clients;
  }

  /** From now on every client leaves. */
  end(): void {
    this.#open = false;
  }

  create = () => ({ status: Status.SUCCESS, handle: ++this.#handles });
  open = () => ({ status: Status.NOT_FOUND, handle: 0n });
  keepMessages = () => Status.SUCCESS;
  type = () => "message" as const;
  exists = () => false;
  listen(_handle: bigint, slot: number): number {
    if (this.#clients > 0) {
      this.#clients--;
      return Status.ALREADY_CONNECTED;
    }
    return this.#pend(Lane.IN, slot);
  }
  read(_handle: bigint, slot: number, _size: number): number {
    if (!this.#open) return Status.BROKEN;
    this.#sizes[slot] = REQUEST.length;
    return Status.SUCCESS;
  }
  write = () => Status.SUCCESS;
  cancel(_handle: bigint, lane: Lane, slot: number): number {
    if (!this.#pending[lane]?.[slot]) return Status.NOTHING_TO_CANCEL;
    const cancelled = this.#cancelled[lane];
    if (cancelled !== undefined) cancelled[slot] = true;
    return Status.SUCCESS;
  }
  peek = () => ({ status: Status.SUCCESS, left: 0 });
  clientProcess = () => 1;
  clientSession = () => 1;
  hostProcess = () => 1;
  hostSession = () => 1;
  executable = () => undefined;
  serverProcess = () => undefined;
  ownUser = () => ({ status: Status.SUCCESS, call: "", text: "S-1-5-21-1" });
  acceptsSecurity = () => Status.SUCCESS;
  security = () => ({ status: Status.SUCCESS, call: "", text: "" });
  owner = () => ({ status: Status.SUCCESS, call: "", text: "" });
  identify = () => IDENTIFIED;
  accountName = () => Promise.resolve(undefined);
  disconnect = () => Status.SUCCESS;
  close = () => Status.SUCCESS;
  snapshot = () => {};
  seemsPending(lane: Lane, slot: number): boolean {
    return this.#pending[lane]?.[slot] === true && this.#cancelled[lane]?.[slot] !== true;
  }
  status(lane: Lane, slot: number): number {
    return this.seemsPending(lane, slot) ? Status.PENDING : Status.CANCELLED;
  }
  transferred(_lane: Lane, slot: number): number {
    return this.#sizes[slot] ?? 0;
  }
  take(_slot: number, target: Uint8Array<ArrayBuffer>): void {
    target.set(REQUEST);
  }
  release = () => {};
  rearm = () => {};
  #woken: (() => void) | undefined = undefined;
  wait(): Promise<boolean> {
    return new Promise((resolve) => this.#woken = () => resolve(true));
  }
  waitStatus = () => Status.SUCCESS;
  wake(): void {
    this.#woken?.();
  }
  keepAlive = () => {};
  nextTurn = (callback: () => void) => {
    setImmediate(callback);
  };
  nextTurnIfRunning = (callback: () => void) => this.nextTurn(callback);
  now = () => performance.now();
  startTimer = (milliseconds: number, callback: () => void) =>
    Number(setTimeout(callback, milliseconds));
  stopTimer = (timer: number) => clearTimeout(timer);
  dispose = () => {};
  onUnload = () => {};
  abandon = () => {};

  #pend(lane: Lane, slot: number): number {
    const [pending, cancelled] = [this.#pending[lane], this.#cancelled[lane]];
    if (pending !== undefined) pending[slot] = true;
    if (cancelled !== undefined) cancelled[slot] = false;
    return Status.PENDING;
  }
}

/** Nanoseconds that one exchange takes. */
async function measure(clients: number, answer: Responder): Promise<number> {
  const kernel = new PromptKernel(clients);
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = EXCHANGES;
  const server = serveOn(
    () => new WaitLoop(kernel),
    { path: "own-cost" },
    (request, exchange) => {
      if (--left === 0) {
        kernel.end();
        resolve();
      }
      return answer(request, exchange);
    },
  );
  const start = performance.now();
  await promise;
  const time = performance.now() - start;
  await server.shutdown();
  return time * 1e6 / EXCHANGES;
}

const RESPONDERS: Record<string, Responder> = {
  sync: (request) => request,
  async: async (request) => await Promise.resolve(request),
};

const figures = new Map<string, number[]>();
for (let round = 0; round <= ROUNDS; round++) {
  for (const [name, responder] of Object.entries(RESPONDERS)) {
    for (const clients of CLIENTS) {
      const figure = await measure(clients, responder);
      const key = `${name.padEnd(6)} ${`${clients}`.padStart(4)} clients`;
      // The first round is for the compiler.
      if (round > 0) figures.set(key, [...figures.get(key) ?? [], figure]);
    }
  }
}
for (const [key, values] of figures) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  console.log(`${key}: ${median(values).toFixed(0)} ns (${low.toFixed(0)} to ${high.toFixed(0)})`);
}
