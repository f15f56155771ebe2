/**
 * One server under a steady load, in a system whose calls are traced: see `traced.ts`. Makes two
 * marks in the trace, between which nothing comes or goes.
 *
 * Arguments: the server, how many clients, milliseconds before and after the marks, and between
 * them. Prints its process id.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { load } from "./load.ts";
import type { ServerName } from "./server_names.ts";
import { RunningServer } from "./servers.ts";

const { symbols: kernel32 } = Deno.dlopen("C:\\Windows\\System32\\kernel32.dll", {
  // (lpEventAttributes, bManualReset, bInitialState, lpName)
  CreateEventA: { parameters: ["usize", "i32", "i32", "buffer"], result: "usize" },
  CloseHandle: { parameters: ["usize"], result: "i32" },
});

function mark(name: string): void {
  kernel32.CloseHandle(kernel32.CreateEventA(0n, 1, 0, new TextEncoder().encode(`${name}\0`)));
}

const [name, clients, before, between] = Deno.args;
const needs = { clients: Number(clients), size: 64 };
await using server = new RunningServer(name as ServerName, needs);
console.log(`pid ${server.processId}`);
const [settle, time] = [Number(before), Number(between)];
await load({ ...needs, path: server.path, warmUp: 0, measure: settle });
const loading = load({ ...needs, path: server.path, warmUp: 0, measure: 2 * settle + time });
await pause(settle);
mark("bench-begin");
await pause(time);
mark("bench-end");
await loading;
