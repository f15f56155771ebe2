/**
 * A program that is watched: what it prints, how it ends, and whether it hangs.
 *
 * @module
 */

import { TextLineStream } from "../soak/line_stream.ts";
import { Unusable } from "./mutant.ts";

/** Milliseconds without a line after which a program is said to hang. */
const PATIENCE = 60_000;

/** What Deno itself is told. */
export const CHILD = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/** How a program has ended. */
export interface Ended {
  readonly code: number;
  /** It was killed because nothing was heard of it for too long. */
  readonly hung: boolean;
  /** The last lines of its standard error. */
  readonly complaint: string;
}

/**
 * Runs Deno in a folder to its end.
 *
 * @param take Is given each line that it prints.
 * @throws {Unusable} If somebody else kills it.
 */
export async function watched(
  args: readonly string[],
  folder: string,
  take: (line: string) => void,
): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: folder,
    env: CHILD,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaint = lastOf(child.stderr);
  const watch = new Watchdog(() => child.kill("SIGKILL"));
  for await (
    const line of child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())
  ) {
    watch.rest();
    take(line);
  }
  const { code, signal } = await child.status;
  watch.stop();
  // Whoever else killed it says nothing about the fault.
  if (signal === "SIGKILL" && !watch.bit) throw new Unusable("it was killed from outside");
  return { code, hung: watch.bit, complaint: await complaint };
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
