/**
 * Programs that are not ours, run by the tests: `tools/foreign.ts` gets them; one that is missing is
 * a failure.
 *
 * @module
 */

import { foreignPrograms } from "../win32/foreign.ts";
import { within } from "./support.ts";

const CHECKOUT = new URL("../../", import.meta.url);

/** How long a foreign program may take. */
const LIMIT = 90_000;

const programs = await foreignPrograms();

/** The path of a script in `tests/foreign`. */
export function script(name: string): string {
  return decodeURIComponent(new URL(`tests/foreign/${name}`, CHECKOUT).pathname.slice(1));
}

/** The path of a program in C of `tests/foreign`. */
export function programInC(name: string): string {
  return `${programs.c}\\${name}.exe`;
}

/** Who runs a script that uses `node:net`. */
export const RUNTIMES: Record<string, string[]> = {
  Node: [programs.node],
  Bun: [programs.bun],
  Deno: [Deno.execPath(), "run", "-A", "--quiet", "--no-config", "--no-lock", "--no-check"],
};

/**
 * A foreign program that runs. What it prints goes nowhere, and its complaints to where ours go: to
 * read them would hold a thread of Deno's pool each, and many of them would leave none for the wait
 * of the server.
 */
export class Foreign implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor([program = "", ...args]: string[]) {
    this.#child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  /** The exit code. */
  async ended(): Promise<number> {
    return (await within("the end of the program", this.#child.status, LIMIT)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }
}

/** A file that a program says in how it ended. */
export class Verdict implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly path = `${this.#folder}\\verdict`;

  async text(): Promise<string> {
    return await Deno.readTextFile(this.path).catch(() => "nothing");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
