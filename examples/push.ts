// Permission: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll)
//
// some-command | deno run --allow-ffi examples/push.ts [options] PATH
//
// Pushes each line of standard input to all subscribers: programs that have connected to the pipe and
// read message after message. One that does not keep up is disconnected, and delays no other. When
// standard input ends, the subscribers get what is on its way to them, and then the end.

import { createInterface } from "node:readline";
import process from "node:process";
import { parseArgs } from "node:util";
import { listen, type PipeConn, type PipeListener } from "@overlapped/named-pipe";

const USAGE = `Usage: push.ts [options] PATH

  --max-queued BYTES   disconnects a subscriber when more than this waits for it to read
  --write-timeout MS   ... when one line has waited for so long`;

function refuse(): never {
  console.error(USAGE);
  Deno.exit(2);
}

function parse() {
  try {
    const option = { type: "string" } as const;
    return parseArgs({
      allowPositionals: true,
      options: { "max-queued": option, "write-timeout": option },
    });
  } catch {
    return refuse();
  }
}

function number(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d+$/.test(text) ? Number(text) : refuse();
}

function start(): PipeListener {
  const { values, positionals: [path, ...others] } = parse();
  if (path === undefined || others.length > 0) refuse();
  try {
    return listen({
      path,
      maxQueued: number(values["max-queued"]),
      writeTimeout: number(values["write-timeout"]),
      onListen: ({ path }) => console.log(`listening on ${path}`),
      onDisconnect: ({ id }, reason) => console.log(`subscriber ${id} has left: ${reason}`),
    });
  } catch (error) {
    // A number is out of its range.
    if (error instanceof RangeError) refuse();
    throw error;
  }
}

const subscribers = new Set<PipeConn>();

async function subscribe(conn: PipeConn): Promise<void> {
  subscribers.add(conn);
  try {
    // What it sends is ignored. The loop ends when it leaves, or is disconnected.
    for await (const _message of conn);
  } finally {
    subscribers.delete(conn);
  }
}

async function accept(listener: PipeListener): Promise<void> {
  for await (const conn of listener) {
    // `onDisconnect` tells why a connection has ended.
    subscribe(conn).catch(() => {});
    console.log(`subscriber ${conn.peer.id} is here`);
  }
}

const listener = start();
const accepting = accept(listener);
for await (const line of createInterface({ input: process.stdin })) {
  // A slow subscriber must not hold up the others: `send` is not awaited, and `maxQueued` limits what
  // waits.
  for (const conn of subscribers) conn.send(line).catch(() => {});
}
listener.close();
await accepting;
await Promise.all(Array.from(subscribers, (conn) => conn[Symbol.asyncDispose]()));
