/**
 * How often each kind of step of a history is taken.
 *
 * @module
 */

import type { Random } from "./random.ts";

/** See the module. A step is taken when it can be. */
export interface Weights {
  readonly turn: number;
  readonly waitReturns: number;
  readonly waitBegins: number;
  readonly completion: number;
  readonly cancel: number;
  readonly timer: number;
  readonly program: number;
  readonly client: number;
  readonly time: number;
  readonly jump: number;
  readonly badEnd: number;
  readonly wake: number;
  readonly push: number;
}

/**
 * Weights of a history whose server sends nothing by itself.
 *
 * @param jumps How often time passes until something is due.
 */
export function someWeights(random: Random, jumps: readonly [number, ...number[]]): Weights {
  return {
    turn: random.pick([1, 5, 20]),
    waitReturns: random.pick([1, 10]),
    waitBegins: random.pick([0.1, 10]),
    completion: random.pick([0.3, 3, 20]),
    cancel: random.pick([0.3, 5]),
    timer: random.pick([1, 10]),
    program: random.pick([0.3, 5]),
    client: random.pick([3, 10, 30]),
    // The more time passes, the sooner a loop waits instead of taking turns.
    time: random.pick([0.5, 0.5, 5]),
    jump: random.pick(jumps),
    badEnd: 1,
    wake: 1,
    push: 0,
  };
}
