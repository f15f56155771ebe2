/**
 * One server under a steady load, in a system whose calls are traced: see `traced.ts`. Makes two
 * marks in the trace, between which nothing comes or goes.
 *
 * Arguments: the server, "echo" or the direction of a stream, how many clients, milliseconds before and after the marks, and between
 * them. Prints its process id.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { load } from "./load.ts";
import type { ServerName } from "./server_names.ts";
import { RunningServer } from "./servers.ts";
import { type StreamDirection, streamLoad } from "./stream_load.ts";

const { symbols: kernel32 } = Deno.dlopen("C:\\Windows\\System32\\kernel32.dll", {
  // (lpEventAttributes, bManualReset, bInitialState, lpName)
  CreateEventA: { parameters: ["usize", "i32", "i32", "buffer"], result: "usize" },
  CloseHandle: { parameters: ["usize"], result: "i32" },
});

function mark(name: string): void {
  kernel32.CloseHandle(kernel32.CreateEventA(0n, 1, 0, new TextEncoder().encode(`${name}\0`)));
}

/** Bytes of a chunk of a stream. */
const CHUNK = 65_536;

const [name, direction, count, before, between] = Deno.args;
const clients = Number(count);
const echoes = direction === "echo";
await using server = new RunningServer(
  name as ServerName,
  { clients, size: 64, work: echoes ? "echo" : "streams" },
);
console.log(`pid ${server.processId}`);

async function run(measure: number): Promise<void> {
  const { path } = server;
  if (echoes) return void await load({ path, clients, size: 64, warmUp: 0, measure });
  const stream = { connections: clients, chunk: CHUNK, direction: direction as StreamDirection };
  await streamLoad({ path, ...stream, warmUp: 0, measure });
}

const [settle, time] = [Number(before), Number(between)];
await run(settle);
const running = run(2 * settle + time);
await pause(settle);
mark("bench-begin");
await pause(time);
mark("bench-end");
await running;
