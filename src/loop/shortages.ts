/**
 * Operations that a shortage prevented: all are tried again together, after pauses that grow.
 *
 * @module
 */

import type { Kernel, Timer } from "../kernel/kernel.ts";
import { Backoff } from "./backoff.ts";
import type { Operation } from "./operation.ts";

/** The longest pause between two attempts, in milliseconds. */
const LONGEST_PAUSE = 1_000;

/** A shortage this many milliseconds after the last attempt, or later, counts as a new one. */
const NEW_SHORTAGE = 100;

/** The deferred operations, over one timer that runs only while there are any. */
export class Shortages {
  readonly #kernel: Kernel;
  readonly #retry: (operation: Operation) => void;
  readonly #deferred = new Set<Operation>();
  readonly #backoff = new Backoff(LONGEST_PAUSE);
  #timer: Timer | undefined = undefined;
  #lastAttempt = 0;

  /** @param retry Tries an operation again, and may defer it again. */
  constructor(kernel: Kernel, retry: (operation: Operation) => void) {
    this.#kernel = kernel;
    this.#retry = retry;
  }

  /** Defers an operation until the next attempt. */
  defer(operation: Operation, status: number): void {
    operation.status = status;
    operation.phase = "deferred";
    operation.shortages++;
    this.#deferred.add(operation);
    if (this.#timer !== undefined) return;
    if (this.#kernel.now() - this.#lastAttempt >= NEW_SHORTAGE) this.#backoff.reset();
    this.#timer = this.#kernel.startTimer(this.#backoff.next(), () => this.#retryAll());
  }

  /** Removes an operation, which is not tried again. */
  remove(operation: Operation): void {
    this.#deferred.delete(operation);
    if (this.#deferred.size === 0) this.stop();
  }

  /** Tries nothing again. */
  stop(): void {
    if (this.#timer !== undefined) this.#kernel.stopTimer(this.#timer);
    this.#timer = undefined;
    this.#backoff.reset();
  }

  #retryAll(): void {
    this.#timer = undefined;
    this.#lastAttempt = this.#kernel.now();
    const operations = [...this.#deferred];
    this.#deferred.clear();
    for (const operation of operations) this.#retry(operation);
  }
}
