/**
 * Many histories, one after the other, and what they came to.
 *
 * @module
 */

import { Coverage, faultTable, holes, pairTable } from "./coverage.ts";
import { Counts } from "./faults.ts";
import { History } from "./history.ts";

/** Milliseconds between two lines of progress. */
const PROGRESS = 5_000;

/** So many histories must have met everything that there is to be met. */
const ENOUGH = 10_000;

/** Which histories. */
export interface Span {
  readonly from: number;
  readonly seeds: number;
  readonly say: (line: string) => void;
}

/** Runs one history per seed, until one fails. True: all is well. */
export async function simulate({ from, seeds, say }: Span): Promise<boolean> {
  const begin = performance.now();
  const counts = new Counts();
  const coverage = new Coverage();
  let steps = 0;
  let events = 0;
  let told = begin;
  for (let done = 0; done < seeds; done++) {
    const outcome = await new History(from + done).run();
    counts.addAll(outcome.counts);
    coverage.addAll(outcome.coverage);
    steps += outcome.steps;
    events += outcome.events;
    if (outcome.violation !== undefined) {
      say(`seed ${outcome.seed}: ${outcome.violation}`);
      say(`replay it with: deno task simulate --seed ${outcome.seed} --trace`);
      return false;
    }
    const now = performance.now();
    if (now - told < PROGRESS) continue;
    told = now;
    say(`${done + 1} of ${seeds} seeds, ${steps} steps, ${rate(steps, now - begin)} a second`);
  }
  for (const line of [...pairTable(coverage), ...faultTable(counts)]) say(line);
  const missing = seeds >= ENOUGH ? holes(coverage, counts) : [];
  for (const hole of missing) say(`never happened: ${hole}`);
  say(
    `${seeds} seeds, ${steps} steps (${rate(steps, performance.now() - begin)} a second), ` +
      `${events} kernel events, ${counts.sum} faults injected, 0 violations`,
  );
  return missing.length === 0;
}

function rate(steps: number, milliseconds: number): number {
  return Math.round(steps / milliseconds * 1000);
}

/** Replays one history, and tells its steps if it is to. True: all is well. */
export async function replay(
  seed: number,
  say: (line: string) => void,
  tell: boolean,
): Promise<boolean> {
  const history = tell ? new History(seed, say) : new History(seed);
  const { violation, steps, events } = await history.run();
  say(`seed ${seed}: ${steps} steps, ${events} kernel events: ${violation ?? "0 violations"}`);
  return violation === undefined;
}
