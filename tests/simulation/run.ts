/**
 * Many histories, one after the other, and what they came to.
 *
 * @module
 */

import { ConnectionHistory } from "./connections.ts";
import { Coverage, faultTable, holes, pairTable, type Subject } from "./coverage.ts";
import { Counts } from "./faults.ts";
import { History } from "./history.ts";
import type { Outcome } from "./outcome.ts";

/** Milliseconds between two lines of progress. */
const PROGRESS = 5_000;

/** So many histories must have met everything that there is to be met. */
const ENOUGH: Readonly<Record<Subject, number>> = { exchanges: 10_000, connections: 3_000 };

/** Which histories. */
export interface Span {
  readonly subject: Subject;
  readonly from: number;
  readonly seeds: number;
  readonly say: (line: string) => void;
}

/** Runs one history per seed, until one fails. True: all is well. */
export async function simulate({ subject, from, seeds, say }: Span): Promise<boolean> {
  const begin = performance.now();
  const counts = new Counts();
  const coverage = new Coverage();
  let steps = 0;
  let events = 0;
  let told = begin;
  for (let done = 0; done < seeds; done++) {
    const outcome = await historyOf(subject, from + done).run();
    counts.addAll(outcome.counts);
    coverage.addAll(outcome.coverage);
    steps += outcome.steps;
    events += outcome.events;
    if (outcome.violation !== undefined) {
      say(`seed ${outcome.seed}: ${outcome.violation}`);
      const option = subject === "connections" ? "--connections " : "";
      say(`replay it with: deno task simulate ${option}--seed ${outcome.seed} --trace`);
      return false;
    }
    const now = performance.now();
    if (now - told < PROGRESS) continue;
    told = now;
    say(`${done + 1} of ${seeds} seeds, ${steps} steps, ${rate(steps, now - begin)} a second`);
  }
  for (const line of [...pairTable(coverage, subject), ...faultTable(counts)]) say(line);
  const missing = seeds >= ENOUGH[subject] ? holes(coverage, counts, subject) : [];
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

function historyOf(
  subject: Subject,
  seed: number,
  tell?: (what: string) => void,
): { run(): Promise<Outcome> } {
  return subject === "connections" ? new ConnectionHistory(seed, tell) : new History(seed, tell);
}

/** Replays one history, and tells its steps if it is to. True: all is well. */
export async function replay(
  subject: Subject,
  seed: number,
  say: (line: string) => void,
  tell: boolean,
): Promise<boolean> {
  const history = historyOf(subject, seed, tell ? say : undefined);
  const { violation, steps, events } = await history.run();
  say(`seed ${seed}: ${steps} steps, ${events} kernel events: ${violation ?? "0 violations"}`);
  return violation === undefined;
}
