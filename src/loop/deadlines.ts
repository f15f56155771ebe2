/**
 * Time limits: any number of them over one timer, which runs only while a limit is set.
 *
 * @module
 */

import type { Kernel, Timer } from "../kernel/kernel.ts";
import { runWithoutWork } from "./caller.ts";

/** The longest time of one timer, in milliseconds; a longer limit needs several. */
const LONGEST_TIMER = 0x7fff_ffff;

/** A time limit, which can be set and lifted repeatedly. */
export class Deadline {
  /** @internal When it expires, on the kernel's clock; Infinity while it is not set. */
  at = Infinity;

  /** @param expire Called when the time runs out. */
  constructor(readonly expire: () => void) {}
}

/** All time limits that are set. */
export class Deadlines {
  readonly #kernel: Kernel;
  readonly #running = new Set<Deadline>();
  #timer: Timer | undefined = undefined;
  /** When the timer fires: at the first deadline, or earlier if that was lifted meanwhile. */
  #next = Infinity;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** How many are set, for tests and diagnosis. */
  get size(): number {
    return this.#running.size;
  }

  /** Whether a limit is set. */
  has(deadline: Deadline): boolean {
    return deadline.at < Infinity;
  }

  /** Sets a limit to this many milliseconds from now; Infinity lifts it. */
  set(deadline: Deadline, milliseconds: number): void {
    if (milliseconds === Infinity) return this.lift(deadline);
    deadline.at = this.#kernel.now() + milliseconds;
    this.#running.add(deadline);
    if (deadline.at < this.#next) this.#arm(deadline.at);
  }

  /** Lifts a limit. Costs nothing if it is not set: few are, and each exchange lifts several. */
  lift(deadline: Deadline): void {
    if (deadline.at === Infinity) return;
    deadline.at = Infinity;
    this.#running.delete(deadline);
    if (this.#running.size === 0) this.#disarm();
  }

  /** Lifts all limits. */
  clear(): void {
    for (const deadline of this.#running) deadline.at = Infinity;
    this.#running.clear();
    this.#disarm();
  }

  #arm(at: number): void {
    this.#disarm();
    this.#next = at;
    const left = Math.max(0, Math.ceil(at - this.#kernel.now()));
    // Whoever sets a limit may be at work for one client, and the timer is for all.
    this.#timer = this.#kernel.startTimer(
      Math.min(left, LONGEST_TIMER),
      () => runWithoutWork(() => this.#fire()),
    );
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#kernel.stopTimer(this.#timer);
    this.#timer = undefined;
    this.#next = Infinity;
  }

  #fire(): void {
    this.#timer = undefined;
    this.#next = Infinity;
    const now = this.#kernel.now();
    const expired = [...this.#running].filter(({ at }) => at <= now);
    try {
      for (const deadline of expired) {
        // A deadline that expires may lift or set others.
        if (deadline.at > now) continue;
        this.lift(deadline);
        deadline.expire();
      }
    } finally {
      // If one has thrown, the others are next.
      this.#armNext();
    }
  }

  #armNext(): void {
    let next = Infinity;
    for (const { at } of this.#running) next = Math.min(next, at);
    if (next < this.#next) this.#arm(next);
  }
}
