/**
 * Tries one mutant after the other, as many at once as there are processors.
 *
 * @module
 */

import type { Mutant } from "./mutant.ts";
import { type Runs, type Span, tryOut, type Verdict } from "./trial.ts";
import { findUnusable } from "./types.ts";

/** What is tried, and how. */
export interface Campaign {
  readonly mutants: readonly Mutant[];
  /** Each mutant meets these histories, until one goes wrong, unless it names its tests. */
  readonly span: Span;
  readonly say: (line: string) => void;
}

/**
 * Tries the module as it is, which must survive, and then all mutants.
 *
 * @returns Whether every mutant was caught.
 */
export async function campaign({ mutants, span, say }: Campaign): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "mutants-" });
  try {
    if (!await isSound(folder, mutants, span, say)) return false;
    const escaped = await tryAll(folder, { mutants, span, say });
    for (const name of escaped) say(`not caught: ${name}`);
    say(`${mutants.length - escaped.length} of ${mutants.length} planted faults caught`);
    return escaped.length === 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Without a fault nothing may be reported, or no catch would mean anything. */
async function isSound(
  folder: string,
  mutants: readonly Mutant[],
  span: Span,
  say: (line: string) => void,
): Promise<boolean> {
  const files = mutants.flatMap(({ tests = [] }) => tests);
  const tests = { tests: [...new Set(files)] };
  const simulated = mutants.some(({ tests }) => tests === undefined);
  const histories = simulated ? split(span, navigator.hardwareConcurrency) : [];
  const parts: [what: Runs, runs: readonly Runs[]][] = [
    [span, histories],
    [tests, files.length > 0 ? [tests] : []],
  ];
  for (const [what, runs] of parts) {
    if (runs.length === 0) continue;
    const verdicts = await Promise.all(
      runs.map((part, number) => tryOut(`${folder}/sound-${number}`, part, undefined)),
    );
    const bad = verdicts.find(({ name }) => name !== "survived");
    say(`the module as it is: ${describe(bad ?? { name: "survived" }, what)}`);
    if (bad !== undefined) return false;
  }
  return true;
}

function split({ from, seeds }: Span, parts: number): Span[] {
  const most = Math.ceil(seeds / parts);
  const spans: Span[] = [];
  for (let at = 0; at < seeds; at += most) {
    spans.push({ from: from + at, seeds: Math.min(most, seeds - at) });
  }
  return spans;
}

/** The names of those that were not caught. */
async function tryAll(folder: string, { mutants, span, say }: Campaign): Promise<string[]> {
  const unusable = await findUnusable(`${folder}/types`, mutants);
  const queue = mutants.entries();
  const escaped: string[] = [];
  const work = async () => {
    // Each takes from the same queue.
    for (const [number, mutant] of queue) {
      const begin = performance.now();
      const why = unusable.get(mutant);
      const runs = mutant.tests === undefined ? span : { tests: mutant.tests };
      const verdict: Verdict = why === undefined
        ? await tryOut(`${folder}/mutant-${number}`, runs, mutant)
        : { name: "unusable", what: why };
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      if (verdict.name !== "caught") escaped.push(mutant.name);
      say(`${mutant.file}: ${mutant.name}: ${describe(verdict, runs)} (${seconds} s)`);
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
  return escaped;
}

function describe(verdict: Verdict, runs: Runs): string {
  switch (verdict.name) {
    case "caught":
      return `caught at ${verdict.at}, a ${verdict.by}: ${shorten(verdict.what)}`;
    case "survived":
      return "tests" in runs
        ? `survived ${runs.tests.join(", ")}`
        : `survived the seeds ${runs.from} to ${runs.from + runs.seeds - 1}`;
    case "unusable":
      return `CAN NOT BE TRIED: ${verdict.what}`;
  }
}

function shorten(what: string): string {
  const [line = ""] = what.split("\n");
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}
