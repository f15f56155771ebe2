/**
 * The tests of a fault that the simulation does not reach: one of them has to fail.
 *
 * @module
 */

import { type Ended, watched } from "./child.ts";
import type { Verdict } from "./trial.ts";

/** Runs files of tests in a copy of the module, until a test fails. */
export async function runTests(folder: string, tests: readonly string[]): Promise<Verdict> {
  const flags = ["--no-check", "--no-prompt", "--no-lock", "--fail-fast"];
  const strict = ["--permission-set=native", "--sanitize-ops", "--sanitize-resources"];
  const report = new TestReport();
  const ended = await watched(
    ["test", ...flags, ...strict, ...tests],
    folder,
    (line) => report.take(line),
  );
  return report.verdict(ended);
}

/** What the lines of `deno test` come to. */
class TestReport {
  #running = false;
  #last = "the beginning";
  #failed: string | undefined = undefined;

  take(line: string): void {
    if (/^running \d+ tests? from /.test(line)) this.#running = true;
    const [, name, result] = /^(.*) \.\.\. (ok|FAILED)\b/.exec(line) ?? [];
    if (name === undefined) return;
    this.#last = name;
    if (result === "FAILED") this.#failed ??= name;
  }

  verdict({ code, hung, complaint }: Ended): Verdict {
    if (this.#failed !== undefined) {
      return { name: "caught", by: "failure", at: this.#failed, what: "the test fails" };
    }
    if (!this.#running) return { name: "unusable", what: `no test was run: ${complaint}` };
    const at = `after ${this.#last}`;
    if (hung) return { name: "caught", by: "hang", at, what: "it never ends" };
    if (code === 0) return { name: "survived" };
    return { name: "caught", by: "crash", at, what: `exit code ${code}: ${complaint}` };
  }
}
