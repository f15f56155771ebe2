/**
 * Requests of the Wine server for each exchange: it stands in for the system's kernel, and can
 * write all of them down.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { TextLineStream } from "../tools/soak/line_stream.ts";
import type { Plan } from "./plan.ts";
import type { TracedRow } from "./results.ts";
import type { ServerName } from "./server_names.ts";
import { TraceReader } from "./trace.ts";

const SERVERS = ["serve", "exchanges", "events", "port", "node", "bun"] as const;

/** Requests that are rarer than this are not told apart. */
const RARE = 0.02;

const checkout = fileURLToPath(new URL("..", import.meta.url));

function lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

async function trace(
  server: ServerName,
  clients: number,
  { traced: { settle, measure } }: Plan,
): Promise<TracedRow> {
  const program = ["bench/traced_server.ts", server, `${clients}`, `${settle}`, `${measure}`];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "tools/windows.ts", "run", "-A", ...program],
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
  const { all, byName } = reader.of(processId);
  // An echo server writes once for each exchange.
  const exchanges = byName.get("write") ?? 0;
  if (!success || exchanges === 0) throw new Error(`Cannot trace ${server}: no exchange was seen`);
  const frequent = [...byName].map(([name, count]) => [name, count / exchanges] as const)
    .filter(([, each]) => each >= RARE).toSorted(([, a], [, b]) => b - a);
  return { server, clients, requests: all / exchanges, byName: Object.fromEntries(frequent) };
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
  for (const count of plan.traced.clients) {
    for (const server of SERVERS) {
      progress(`${server}, ${count} clients`);
      rows.push(await trace(server, count, plan));
    }
  }
  return rows;
}
