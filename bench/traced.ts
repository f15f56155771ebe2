/**
 * Requests of the Wine server for each exchange: it stands in for the system's kernel, and can
 * write all of them down.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { TextLineStream } from "../tools/soak/line_stream.ts";
import type { Plan } from "./plan.ts";
import type { TracedRow, TracedStreamRow } from "./results.ts";
import type { ServerName } from "./server_names.ts";
import type { StreamDirection } from "./stream_load.ts";
import { TraceReader } from "./trace.ts";

const SERVERS = ["serve", "exchanges", "events", "port", "node", "bun"] as const;

/** Requests that are rarer than this are not told apart. */
const RARE = 0.02;

const checkout = fileURLToPath(new URL("..", import.meta.url));

function lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

/** What the process of a server asked for, by name, and all that was traced. */
interface Traced {
  readonly byName: ReadonlyMap<string, number>;
  readonly all: number;
  readonly reader: TraceReader;
}

async function trace(
  server: ServerName,
  clients: number,
  { traced: { settle, measure } }: Plan,
  direction: StreamDirection | "echo",
): Promise<Traced> {
  const program = ["bench/traced_server.ts", server, direction, clients, settle, measure];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/windows.ts", "run", "-A", ...program.map(String)],
    cwd: checkout,
    env: { WINEDEBUG: "+server" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = new TraceReader();
  const [processId] = await Promise.all([
    printedNumber(child.stdout),
    // Nothing of it is kept: it is long, and shows the whole environment.
    readAll(child.stderr, (line) => reader.line(line)),
  ]);
  const { success } = await child.status;
  if (!success) throw new Error(`Cannot trace ${server}: it has failed`);
  return { ...reader.of(processId), reader };
}

/** Requests for each of something. */
function perUnit(server: ServerName, { all, byName }: Traced, units: number) {
  if (units === 0) throw new Error(`Cannot trace ${server}: nothing of it was seen`);
  const frequent = [...byName].map(([name, count]) => [name, count / units] as const)
    .filter(([, each]) => each >= RARE).toSorted(([, a], [, b]) => b - a);
  return { requests: all / units, byName: Object.fromEntries(frequent) };
}

async function printedNumber(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<number> {
  let found = NaN;
  await readAll(stream, (line) => {
    const [, digits] = /^pid (\d+)/.exec(line) ?? [];
    if (digits !== undefined) found = Number(digits);
  });
  return found;
}

async function readAll(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: string) => void,
): Promise<void> {
  for await (const line of lines(stream)) take(line);
}

/** Traces each server in a system of its own. */
export async function tracedPart(
  plan: Plan,
  progress: (text: string) => void,
): Promise<TracedRow[]> {
  const rows: TracedRow[] = [];
  for (const clients of plan.traced.clients) {
    for (const server of SERVERS) {
      progress(`${server}, ${clients} clients`);
      const traced = await trace(server, clients, plan, "echo");
      // An echo server writes once for each exchange.
      const exchanges = traced.byName.get("write") ?? 0;
      rows.push({ server, clients, ...perUnit(server, traced, exchanges) });
    }
  }
  return rows;
}

/** The same for servers of streams. */
export async function tracedStreamsPart(
  plan: Plan,
  progress: (text: string) => void,
): Promise<TracedStreamRow[]> {
  const rows: TracedStreamRow[] = [];
  for (const direction of plan.traced.directions) {
    for (const server of plan.traced.streams) {
      progress(`${server}, ${direction}`);
      const traced = await trace(server, 1, plan, direction);
      // One end writes each chunk at once, and hardly anybody else writes.
      const chunks = traced.reader.most("write");
      rows.push({ server, direction, ...perUnit(server, traced, chunks) });
    }
  }
  return rows;
}
