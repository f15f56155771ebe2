/**
 * A measurement of which nothing was done.
 *
 * @module
 */

import type { Parts, SideBySide } from "./results.ts";

const NOBODY: SideBySide = { loaded: [], compared: [] };

/** What stands for each part that was not measured. */
export const NO_PARTS: Parts = {
  throughput: NOBODY,
  counted: [],
  idle: [],
  memory: [],
  start: [],
  growth: NOBODY,
  resting: { few: [], many: [] },
  trickle: [],
  large: NOBODY,
  before: NOBODY,
  streams: [],
  visits: NOBODY,
  framed: NOBODY,
  httpGet: NOBODY,
  httpPost: NOBODY,
  jsonRpc: NOBODY,
  pushes: [],
  silent: [],
  ownCost: [],
  traced: [],
  tracedStreams: [],
};

/** The names of all parts. */
export const PART_NAMES = Object.keys(NO_PARTS) as (keyof Parts)[];
