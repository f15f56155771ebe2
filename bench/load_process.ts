/**
 * The processes that make the load: programs in C, which say in a line of JSON what came of it.
 *
 * @module
 */

import { native } from "./servers.ts";

function start(program: string, args: readonly (string | number)[]): Deno.ChildProcess {
  return new Deno.Command(native(program), {
    args: args.map(String),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function firstLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    text += part;
    const end = text.indexOf("\n");
    if (end !== -1) return text.slice(0, end);
  }
  throw new Error(`The load gave no report: ${text}`);
}

/** What every report says. */
export interface Served {
  /** Clients that could connect. */
  readonly connected: number;
  /** Clients that had no reply, or a wrong one, and the first reason. */
  readonly failures: number;
  readonly failure?: string;
}

/** Refuses a report of clients that were not all served: what else was measured means little. */
export function allServed<Report extends Served>(report: Report, clients: number): Report {
  const { connected, failures, failure = "" } = report;
  if (connected === clients && failures === 0) return report;
  throw new Error(`${connected} of ${clients} clients connected, ${failures} failures ${failure}`);
}

/** Runs a load to its end. */
export async function runLoad<Report>(
  program: string,
  args: readonly (string | number)[],
): Promise<Report> {
  const child = start(program, args);
  const report = await firstLine(child.stdout);
  await child.stdin.close();
  await child.status;
  return JSON.parse(report);
}

/** Clients that stay connected, and do nothing more. */
export class StayingLoad implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Connects so many clients. */
  static async start(
    program: string,
    args: readonly (string | number)[],
    clients: number,
  ): Promise<StayingLoad> {
    const child = start(program, args);
    allServed(JSON.parse(await firstLine(child.stdout)), clients);
    return new StayingLoad(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}
