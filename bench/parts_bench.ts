/**
 * What the parts of an exchange cost: `deno task bench:parts`.
 *
 * @module
 */

import { openKernel32 } from "../ffi/kernel32.ts";
import { WindowsKernel } from "../ffi/windows_kernel.ts";
import { begin, transition } from "../src/exchange/exchange_machine.ts";
import { Lane, type PipeSpec } from "../src/kernel/kernel.ts";
import { WaitLoop } from "../src/loop/wait_loop.ts";
import { type CompletionHandler, Operation } from "../src/loop/operation.ts";
import * as lifecycle from "../src/server/lifecycle.ts";

const WINDOWS = Deno.build.os === "windows";

// The state machines: an exchange that is answered at once.

const EXCHANGE = ["message", "replied", "written"] as const;
const reading = begin(false).state;

Deno.bench("state machine, the three steps of an exchange", { group: "exchange" }, () => {
  let state = reading;
  for (const event of EXCHANGE) {
    const step = transition(state, event, false);
    if (step === undefined) throw new Error(`Cannot handle "${event}" while "${state.name}"`);
    state = step.state;
  }
});

const LIFE = ["listen", "connected", "clientDisconnected", "quiet"] as const;

Deno.bench("state machine, the four steps of a connection", { group: "exchange" }, () => {
  let state = lifecycle.INITIAL;
  for (const event of LIFE) {
    const step = lifecycle.transition(state, event);
    if (step === undefined) throw new Error(`Cannot handle "${event}" while "${state.name}"`);
    state = step.state;
  }
});

// Native memory.

const kernel32 = WINDOWS ? openKernel32() : undefined;
const MEM_COMMIT_AND_RESERVE = 0x3000;
const PAGE_READWRITE = 4;

for (const size of [64, 4_096, 65_536]) {
  const address = kernel32?.symbols.VirtualAlloc(
    0n,
    BigInt(size),
    MEM_COMMIT_AND_RESERVE,
    PAGE_READWRITE,
  ) ?? 0n;
  const bytes = new Uint8Array(size);
  const count = BigInt(size);
  Deno.bench(`copy in, ${size} bytes`, { group: "copy", ignore: !WINDOWS }, () => {
    kernel32?.symbols.copyIn(address, bytes, count);
  });
  Deno.bench(`copy out, ${size} bytes`, { group: "copy", ignore: !WINDOWS }, () => {
    kernel32?.symbols.copyOut(bytes, address, count);
  });
}

// The sweep, over operations that all stay in flight.

/** Turns come when they are asked for. */
class SteppedKernel extends WindowsKernel {
  #turn: (() => void) | undefined = undefined;

  override nextTurn(callback: () => void): void {
    this.#turn = callback;
  }

  /** Runs the turn that is queued. */
  step(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    turn?.();
  }
}

/** A loop with so many listens in flight. */
class Sweeping implements CompletionHandler {
  readonly #kernel = new SteppedKernel();
  readonly #loop = new WaitLoop(this.#kernel);

  constructor(operations: number) {
    this.#loop.enter({ failed() {}, abandoned() {} });
    const path = `\\\\.\\pipe\\bench-sweep-${crypto.randomUUID()}`;
    const pipe: PipeSpec = {
      path,
      type: "message",
      direction: "both",
      readBufferSize: 4_096,
      writeBufferSize: 4_096,
      waitTimeout: 50,
      security: undefined,
      remote: false,
    };
    for (let i = 0; i < operations; i++) {
      const { status, handle } = this.#kernel.create(pipe, i === 0);
      if (status !== 0) throw new Error(`CreateNamedPipeW failed with error ${status}`);
      this.#loop.listen(new Operation(this, handle, Lane.IN, this.#loop.takeSlot()));
    }
  }

  crashed(error: unknown): void {
    throw error;
  }

  completed({ status }: Operation): void {
    throw new Error(`Nobody connects, but a listen has ended with status ${status}`);
  }

  turn(): void {
    // What is called back keeps the loop from waiting.
    this.#loop.atNextTurn(() => {});
    this.#kernel.step();
  }
}

for (const operations of [1, 64, 1_000]) {
  const name = `a turn that sweeps ${operations} operations`;
  const sweeping = WINDOWS ? new Sweeping(operations) : undefined;
  Deno.bench(name, { group: "sweep", ignore: !WINDOWS }, () => sweeping?.turn());
}
