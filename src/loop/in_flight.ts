/**
 * The operations that Windows has, and the sweep that finds those that have completed.
 *
 * @module
 */

import { type Kernel, Lane } from "../kernel/kernel.ts";
import { isShortage, Status } from "../kernel/status.ts";
import type { Operation } from "./operation.ts";
import type { Shortages } from "./shortages.ts";

/** All operations in flight, by lane. */
export class InFlight {
  readonly #kernel: Kernel;
  readonly #shortages: Shortages;
  readonly #lanes: readonly [Operation[], Operation[]] = [[], []];
  #rotation = 0;

  /** @param shortages Gets the listens and reads that complete with a shortage. */
  constructor(kernel: Kernel, shortages: Shortages) {
    this.#kernel = kernel;
    this.#shortages = shortages;
  }

  /** How many there are. */
  get count(): number {
    return this.#lanes[Lane.IN].length + this.#lanes[Lane.OUT].length;
  }

  /** Those of one lane. */
  in(lane: Lane): readonly Operation[] {
    return this.#lanes[lane];
  }

  /** Adds an operation that was submitted. */
  add(operation: Operation): void {
    const lane = this.#lanes[operation.lane];
    operation.phase = "inFlight";
    operation.index = lane.length;
    lane.push(operation);
  }

  /** Removes one that has completed. */
  remove(operation: Operation): void {
    const lane = this.#lanes[operation.lane];
    const last = lane.pop();
    if (last === undefined || last === operation) return;
    lane[operation.index] = last;
    last.index = operation.index;
  }

  /** Whether one may have completed. */
  seesCompletion(): boolean {
    for (const lane of [Lane.IN, Lane.OUT] as const) {
      const operations = this.#lanes[lane];
      if (operations.length === 0) continue;
      this.#kernel.snapshot(lane);
      // A plain loop: it is run before each wait, over all connections.
      for (const { slot } of operations) {
        if (!this.#kernel.seemsPending(lane, slot)) return true;
      }
    }
    return false;
  }

  /** Moves what has completed into a round, which starts at another operation each time. */
  sweep(round: Operation[]): void {
    for (const lane of [Lane.OUT, Lane.IN] as const) {
      const operations = this.#lanes[lane];
      const count = operations.length;
      if (count === 0) continue;
      this.#kernel.snapshot(lane);
      const start = this.#rotation % count;
      const first = round.length;
      for (let i = 0; i < count; i++) {
        const operation = operations[start + i < count ? start + i : start + i - count];
        if (operation !== undefined && !this.#kernel.seemsPending(lane, operation.slot)) {
          round.push(operation);
        }
      }
      this.#complete(round, first);
    }
    this.#rotation = (this.#rotation + 1) % 0x4000_0000;
  }

  /** Asks for the actual status of each operation that was over in the snapshot. */
  #complete(round: Operation[], first: number): void {
    let kept = first;
    for (let i = first; i < round.length; i++) {
      const operation = round[i];
      if (operation === undefined) continue;
      const status = this.#kernel.status(operation.lane, operation.slot);
      if (status === Status.PENDING) continue;
      this.remove(operation);
      const short = operation.lane === Lane.IN && isShortage(status);
      if (short && !operation.cancelled) {
        this.#shortages.defer(operation, status);
        continue;
      }
      operation.status = short ? Status.CANCELLED : status;
      operation.phase = "completed";
      round[kept++] = operation;
    }
    round.length = kept;
  }
}
