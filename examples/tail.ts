// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll) --allow-read
//
// deno run --allow-ffi --allow-read examples/tail.ts [--interval MS] PATH FILE
//
// Follows a file: whoever reads from the pipe gets what is in the file, and then what is appended to
// it, as `Get-Content -Wait` shows it. Any program can read it that can open a file: in a console,
// `type \\.\pipe\NAME`. The pipe goes in this direction only. A reader that has left is noticed when
// something more is appended.

import { parseArgs } from "node:util";
import { listen, type PipeConn } from "@overlapped/named-pipe";

function refuse(): never {
  console.error("Usage: tail.ts [--interval MS] PATH FILE");
  Deno.exit(2);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { interval: { type: "string", default: "200" } },
    });
  } catch {
    return refuse();
  }
}

/** Resolves after so many milliseconds, or when the signal aborts. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}

/** What is in the file, and what is appended to it until the signal aborts. */
async function* follow(file: string, interval: number, signal: AbortSignal) {
  using source = await Deno.open(file);
  const buffer = new Uint8Array(65_536);
  while (true) {
    const count = await source.read(buffer);
    if (count !== null) yield buffer.slice(0, count);
    else if (signal.aborted) return;
    else await pause(interval, signal);
  }
}

async function feed(conn: PipeConn, file: string, interval: number): Promise<void> {
  // It reads on only when the reader has taken what was there, and ends when the reader does.
  await ReadableStream.from(follow(file, interval, conn.draining)).pipeTo(conn.writable);
}

const { values, positionals: [path, file, ...others] } = parse();
const interval = Number(values.interval);
if (path === undefined || file === undefined || others.length > 0 || !(interval > 0)) refuse();
if (!(await Deno.stat(file)).isFile) refuse();

const stop = () => void listener.shutdown();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
const listener = listen({
  path,
  type: "byte",
  direction: "write",
  onListen: ({ path }) => console.log(`listening on ${path}`),
});
for await (const conn of listener) {
  feed(conn, file, interval).catch((error) => {
    // That is how a reader leaves.
    if (!(error instanceof Deno.errors.BrokenPipe)) console.error(error);
  });
}
await listener.finished;
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
