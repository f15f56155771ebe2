/**
 * What a process still holds.
 *
 * @module
 */

/** See the module. */
export interface Leftovers {
  /** Operations whose completion was not observed. */
  readonly inFlight: number;
  /** Handles. */
  readonly open: number;
  /** Slots with memory. */
  readonly slots: number;
  /** Waits that have not returned. */
  readonly waiting: number;
  /** Timers that have not fired. */
  readonly timers: number;
  /** Turns that have not begun. */
  readonly turns: number;
}

/** The leftovers of a program that has tidied up. */
export const NOTHING_LEFT: Leftovers = {
  inFlight: 0,
  open: 0,
  slots: 0,
  waiting: 0,
  timers: 0,
  turns: 0,
};
