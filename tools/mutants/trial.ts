/**
 * One trial: histories in a copy of the module, until one goes wrong.
 *
 * @module
 */

import { TextLineStream } from "../soak/line_stream.ts";
import { type Mutant, Unusable } from "./mutant.ts";
import { copyTree, PROGRAM } from "./tree.ts";

/** Milliseconds after which a history, of which a hundred run in a second, is said to hang. */
const PATIENCE = 60_000;

/** Megabytes that a trial may use: a fault may make it hoard. */
const MEMORY = 512;

/** What Deno itself is told. */
export const CHILD = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** What came of a trial. */
export type Verdict =
  /** A history went wrong: the invariants tell, or the program dies of it, or never ends it. */
  | {
    readonly name: "caught";
    readonly by: "violation" | "crash" | "hang";
    /** Where in the simulation. */
    readonly at: string;
    readonly what: string;
  }
  /** All histories went as they should. */
  | { readonly name: "survived" }
  /** The mutant cannot be tried. */
  | { readonly name: "unusable"; readonly what: string };

/** Which histories. */
export interface Span {
  readonly from: number;
  readonly seeds: number;
}

/** Tries a mutant, or, without one, the module as it is, in a folder of its own. */
export async function tryOut(
  folder: string,
  span: Span,
  mutant: Mutant | undefined,
): Promise<Verdict> {
  await Deno.mkdir(folder);
  try {
    await copyTree(folder, mutant);
    return await runHistories(folder, span);
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return { name: "unusable", what: error.message };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function runHistories(folder: string, { from, seeds }: Span): Promise<Verdict> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--no-prompt",
      `--v8-flags=--max-old-space-size=${MEMORY}`,
      PROGRAM,
      `${from}`,
      `${seeds}`,
    ],
    cwd: folder,
    env: CHILD,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaint = lastOf(child.stderr);
  const report = new Report();
  const watch = new Watchdog(() => child.kill("SIGKILL"));
  for await (
    const line of child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())
  ) {
    watch.rest();
    report.take(line);
  }
  const { code, signal } = await child.status;
  watch.stop();
  // Whoever else killed it says nothing about the fault.
  if (signal === "SIGKILL" && !watch.bit) throw new Unusable("it was killed from outside");
  return report.verdict(code, watch.bit, await complaint);
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

  verdict(code: number, hung: boolean, complaint: string): Verdict {
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

/** Bites when nothing is heard for too long. */
class Watchdog {
  bit = false;
  readonly #bite: () => void;
  #timer: ReturnType<typeof setTimeout>;

  constructor(bite: () => void) {
    this.#bite = bite;
    this.#timer = this.#start();
  }

  /** Something was heard. */
  rest(): void {
    this.stop();
    this.#timer = this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.bit = true;
      this.#bite();
    }, PATIENCE);
  }
}

/** What a program says on its way out. */
async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const text = await new Response(stream).text();
  return text.trim().split("\n").slice(-8).join(" | ");
}
