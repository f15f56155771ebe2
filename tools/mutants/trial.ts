/**
 * One trial: histories, or tests, in a copy of the module, until one goes wrong.
 *
 * @module
 */

import { type Ended, watched } from "./child.ts";
import { type Mutant, Unusable } from "./mutant.ts";
import { runTests } from "./test_trial.ts";
import { copyTree, PROGRAM } from "./tree.ts";

/** Megabytes that a trial may use: a fault may make it hoard. */
const MEMORY = 512;

/** What came of a trial. */
export type Verdict =
  /**
   * Something went wrong: the invariants or a test tell, or the program dies of it, or never ends it.
   */
  | {
    readonly name: "caught";
    readonly by: "violation" | "failure" | "crash" | "hang";
    /** Where in the simulation, or in the tests. */
    readonly at: string;
    readonly what: string;
  }
  /** Everything went as it should. */
  | { readonly name: "survived" }
  /** The mutant cannot be tried. */
  | { readonly name: "unusable"; readonly what: string };

/** Which histories. */
export interface Span {
  readonly from: number;
  readonly seeds: number;
}

/** What is run in a copy. */
export type Runs = Span | { readonly tests: readonly string[] };

/** Tries a mutant, or, without one, the module as it is, in a folder of its own. */
export async function tryOut(
  folder: string,
  runs: Runs,
  mutant: Mutant | undefined,
): Promise<Verdict> {
  await Deno.mkdir(folder);
  try {
    const tests = "tests" in runs ? runs.tests : [];
    await copyTree(folder, mutant, tests);
    return "tests" in runs ? await runTests(folder, tests) : await runHistories(folder, runs);
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return { name: "unusable", what: error.message };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runHistories(folder: string, { from, seeds }: Span): Promise<Verdict> {
  const flags = ["--quiet", "--no-check", "--no-prompt"];
  const memory = `--v8-flags=--max-old-space-size=${MEMORY}`;
  const report = new Report();
  const ended = await watched(
    ["run", ...flags, memory, PROGRAM, `${from}`, `${seeds}`],
    folder,
    (line) => report.take(line),
  );
  return report.verdict(ended);
}

/** What the lines of a trial come to. */
class Report {
  #ready = false;
  #at = "the beginning";
  #violation: string | undefined = undefined;
  #done = false;

  take(line: string): void {
    const [word, rest = ""] = line.split(/ (.*)/s);
    if (word === "ready") this.#ready = true;
    else if (word === "at") this.#at = rest;
    else if (word === "violation") this.#violation = String(JSON.parse(rest));
    else if (word === "done") this.#done = true;
  }

  verdict({ code, hung, complaint }: Ended): Verdict {
    const at = this.#at;
    if (this.#violation !== undefined) {
      return { name: "caught", by: "violation", at, what: this.#violation };
    }
    if (this.#done && code === 0) return { name: "survived" };
    if (!this.#ready) return { name: "unusable", what: `it is no program: ${complaint}` };
    if (hung) return { name: "caught", by: "hang", at, what: "it never ends" };
    return { name: "caught", by: "crash", at, what: `exit code ${code}: ${complaint}` };
  }
}
