/**
 * What a history came to.
 *
 * @module
 */

import type { Coverage } from "./coverage.ts";
import type { Counts } from "./faults.ts";

/** See the module. */
export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  /** Calls of the kernel and completions. */
  readonly events: number;
  readonly clients: number;
  readonly counts: Counts;
  readonly coverage: Coverage;
  /** What should not have happened, if anything did. */
  readonly violation: string | undefined;
}
