/**
 * The turns that a program asks for.
 *
 * @module
 */

import { nextTask } from "../../kernel/scheduling.ts";

interface Turn {
  readonly callback: () => void;
  readonly keepsAlive: boolean;
}

/** Turns that have not begun: they begin in a task of their own, those that are queued together. */
export class TurnQueue {
  /** Turns run by {@linkcode run} only. */
  manual = false;
  #turns: Turn[] = [];
  #taskQueued = false;

  /** How many have not begun. */
  get count(): number {
    return this.#turns.length;
  }

  /** Whether one is queued that keeps the program running in any case. */
  get keepsAlive(): boolean {
    return this.#turns.some(({ keepsAlive }) => keepsAlive);
  }

  /** Adds one. */
  add(callback: () => void, keepsAlive = true): void {
    this.#turns.push({ callback, keepsAlive });
    if (this.manual || this.#taskQueued) return;
    this.#taskQueued = true;
    nextTask(() => {
      this.#taskQueued = false;
      this.run();
    });
  }

  /** Runs the turns that are queued now, not those that they queue. Says how many. */
  run(): number {
    const turns = this.#turns;
    this.#turns = [];
    for (const { callback } of turns) callback();
    return turns.length;
  }
}
