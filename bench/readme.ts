/**
 * The part of the README that is written by the benchmark.
 *
 * @module
 */

import type { GoalResult } from "./results.ts";

const BEGIN = "<!-- bench -->";
const END = "<!-- /bench -->";

/** Replaces what is between the marks. */
export function withPart(readme: string, part: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`The README has no ${BEGIN} with its end`);
  return `${readme.slice(0, begin)}${BEGIN}\n\n${part}\n\n${readme.slice(end)}`;
}

/** How many goals are reached; the page of the results has each of them. */
export function goalsPart(goals: readonly GoalResult[]): string[] {
  const reached = goals.filter((goal) => goal.reached).length;
  const which = reached === goals.length ? "All" : `${reached} of`;
  return [`${which} ${goals.length} [goals](bench/RESULTS.md) are reached.`];
}
