/**
 * The limits that servers of all kinds have, some of them set.
 *
 * @module
 */

import type { Random } from "./random.ts";

/** The limits that servers and listeners have, `Infinity` where there is none. */
export interface SharedLimits {
  readonly maxMessage: number;
  readonly maxPerProcess: number;
  readonly idleTimeout: number;
  readonly writeTimeout: number;
  readonly maxQueued: number;
}

/** @param queued How likely `maxQueued` is set. */
export function someLimits(random: Random, queued: number) {
  return {
    ...(random.chance(0.3) ? { maxMessage: random.pick([4096, 6000]) } : {}),
    ...(random.chance(0.4) ? { maxBuffered: random.pick([1, 100, 10_000]) } : {}),
    ...(random.chance(0.2) ? { maxPerProcess: random.pick([1, 2]) } : {}),
    ...(random.chance(0.3) ? { idleTimeout: random.pick([5, 500]) } : {}),
    ...(random.chance(0.4) ? { writeTimeout: random.pick([5, 500, Infinity]) } : {}),
    ...(random.chance(queued) ? { maxQueued: random.pick([1, 50, 5_000]) } : {}),
  };
}
