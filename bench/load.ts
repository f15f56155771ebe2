/**
 * The load: clients in closed loops, in a process of their own. See `native/load.c`.
 *
 * @module
 */

import { LOAD } from "./servers.ts";

/** What the clients do. Times are in milliseconds. */
export interface LoadOptions {
  readonly path: string;
  readonly clients: number;
  /** Bytes of a message. */
  readonly size: number;
  readonly warmUp: number;
  readonly measure: number;
  /** How long each client rests after a reply. @default {0} */
  readonly rest?: number | undefined;
  /** How long all clients together may take to connect. @default {20_000} */
  readonly connect?: number | undefined;
}

/** What became of it. */
export interface LoadReport {
  /** Clients that could connect. */
  readonly connected: number;
  /** Exchanges while it measured, and seconds that it did. */
  readonly exchanges: number;
  readonly seconds: number;
  /** Exchanges of all its time. */
  readonly all: number;
  /** Microseconds of an exchange. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the load itself while it measured, in milliseconds. */
  readonly processorMs: number;
  /** Clients that had no reply, or a wrong one, and the first reason. */
  readonly failures: number;
  readonly failure?: string;
  /** Exchanges of each client while it measured. */
  readonly counts: readonly number[];
}

function command(options: LoadOptions): Deno.Command {
  const { path, clients, size, warmUp, measure, rest = 0, connect = 20_000 } = options;
  const numbers = [clients, size, warmUp, measure, rest, connect];
  return new Deno.Command(LOAD, {
    args: [path, ...numbers.map(String)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
}

/** Refuses a report of clients that were not all served: what else was measured means little. */
export function allServed(report: LoadReport, clients: number): LoadReport {
  const { connected, failures, failure = "" } = report;
  if (connected === clients && failures === 0) return report;
  throw new Error(`${connected} of ${clients} clients connected, ${failures} failures ${failure}`);
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

/** Clients that have made one exchange each, and stay connected. */
export class SilentClients implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Connects them. */
  static async connect(path: string, clients: number): Promise<SilentClients> {
    const child = command({ path, clients, size: 64, warmUp: 0, measure: 0 }).spawn();
    allServed(JSON.parse(await firstLine(child.stdout)), clients);
    return new SilentClients(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

/** Runs the clients to their end. */
export async function load(options: LoadOptions): Promise<LoadReport> {
  const child = command(options).spawn();
  const report = await firstLine(child.stdout);
  await child.stdin.close();
  await child.status;
  return JSON.parse(report);
}
