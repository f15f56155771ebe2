/**
 * A program of a history.
 *
 * @module
 */

import type { OpenLoop } from "../../src/loop/isolate.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import type { SimulatedKernel } from "./kernel.ts";

/** What a program tells its history. */
export interface Historian<K extends SimulatedKernel> {
  /** A state machine gets an event. */
  observe(state: { readonly name: string }, event: string, last: boolean): void;
  /** The loop has contained an exception. */
  crashed(error: unknown): void;
  /** A kernel is not used any more. */
  retire(kernel: K): void;
  violate(what: string): void;
}

/** One JavaScript program: its loop, and the kernel under it. */
export class Program<K extends SimulatedKernel = SimulatedKernel> {
  readonly #history: Historian<K>;
  readonly #newKernel: () => K;
  #loop: WaitLoop | undefined;
  kernel: K | undefined;
  #last: K | undefined;
  #taskBegin = 0;

  constructor(history: Historian<K>, newKernel: () => K) {
    this.#history = history;
    this.#newKernel = newKernel;
  }

  readonly open: OpenLoop = () => {
    if (this.#loop !== undefined) return this.#loop;
    const kernel = this.#newKernel();
    this.kernel = kernel;
    // Its clock goes on.
    kernel.pass(this.time);
    this.#last = kernel;
    return this.#loop = new WaitLoop(kernel, () => {
      if (this.kernel === kernel) this.#forget();
    }, {
      transition: (...pair) => this.#history.observe(...pair),
      crashed: (error) => this.#history.crashed(error),
    });
  };

  /** Its clock, even if it has no kernel any more. */
  get time(): number {
    return this.#last?.time ?? 0;
  }

  /** The time at which the task that runs began. */
  get taskBegin(): number {
    return this.#taskBegin;
  }

  /** Another task begins. */
  beginTask(): void {
    this.#taskBegin = this.time;
  }

  #forget(): void {
    this.#loop = undefined;
    if (this.kernel === undefined) return;
    this.#history.retire(this.kernel);
    this.kernel = undefined;
  }

  /** The program goes away, but not its memory: a reload. */
  unload(): void {
    const kernel = this.kernel;
    kernel?.unload();
    if (kernel !== undefined && kernel.leftovers().open > 0) {
      this.#history.violate("I8: handles stay open when the program goes away");
    }
  }

  /** Time limits run, but nothing will happen when they run out. */
  get forgetsTime(): boolean {
    return this.#loop !== undefined && this.#loop.deadlines.size > 0 &&
      this.kernel?.nextTimer === undefined;
  }

  /** Every completion was seen, and the program waits. */
  get isAtPeace(): boolean {
    const { kernel } = this;
    if (kernel === undefined || kernel.waitState !== "entered") return false;
    return kernel.leftovers().turns === 0 && kernel.deliverable().length === 0 &&
      kernel.late().length === 0;
  }

  /** The next wait fails, and with it all that the program has. */
  failWait(code: number): void {
    if (this.kernel !== undefined) this.kernel.failsNextWait = code;
  }
}
