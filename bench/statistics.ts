/**
 * Figures of several rounds.
 *
 * @module
 */

/** A middle figure and its range. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** One figure a round. */
  readonly rounds: readonly number[];
}

/** The middle of some figures; the mean of the middle two. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new RangeError("Cannot take a median of none");
  return (low + high) / 2;
}

/** Figures of rounds, summed up. */
export function spread(rounds: readonly number[]): Spread {
  return { median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds };
}

/** The quotients of figures that were measured in the same rounds. */
export function ratio(of: readonly number[], to: readonly number[]): Spread {
  if (of.length !== to.length) throw new RangeError("Cannot compare different numbers of rounds");
  return spread(of.map((figure, round) => figure / (to[round] ?? NaN)));
}

/** The same list, beginning with another one each round. */
export function rotated<T>(list: readonly T[], round: number): T[] {
  const first = list.length === 0 ? 0 : round % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

/** The slowest of several clients over the fastest. */
export function fairness(counts: readonly number[]): number {
  const most = Math.max(...counts);
  return most > 0 ? Math.min(...counts) / most : 0;
}
