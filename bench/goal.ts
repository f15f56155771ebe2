/**
 * What is to be reached.
 *
 * @module
 */

import type { Parts } from "./results.ts";

/** A figure that must be at least, or at most, so much. */
export interface Goal {
  readonly figure: string;
  readonly least?: number;
  readonly most?: number;
  readonly unit: string;
  /** How the goal is called, if a connection that comes or goes while counting may blur it. */
  readonly label?: string;
  /** Digits behind the point. */
  readonly digits: number;
  /** All figures that count; the worst decides. */
  readonly values: (parts: Parts) => readonly number[];
}
