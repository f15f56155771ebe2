/**
 * Connections that are open and silent: processor time and memory.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { silentClients } from "../load.ts";
import type { StayingLoad } from "../load_process.ts";
import type { Plan } from "../plan.ts";
import type { SilentRow } from "../results.ts";
import { RunningServer } from "../servers.ts";
import { silentStreams } from "../stream_load.ts";

/** Connections of `listen` that wait for a message, and such that wait for a chunk. */
const CLIENTS = {
  framed: (path: string, clients: number) => silentClients(path, clients, "lines"),
  streams: silentStreams,
} satisfies Record<string, (path: string, clients: number) => Promise<StayingLoad>>;

async function silence(
  server: keyof typeof CLIENTS,
  { silent: { connections, measure }, settle }: Plan,
): Promise<SilentRow> {
  await using stack = new AsyncDisposableStack();
  const needs = { clients: connections, size: 64, work: "streams" } as const;
  const { path, meter } = stack.use(new RunningServer(server, needs));
  // The first one has made the server load what it needs.
  await (await CLIENTS[server](path, 1))[Symbol.asyncDispose]();
  await pause(settle);
  const empty = meter.privateBytes;
  stack.use(await CLIENTS[server](path, connections));
  await pause(settle);
  const [before, began] = [meter.processorMs, performance.now()];
  await pause(measure);
  return {
    server,
    connections,
    processorMs: meter.processorMs - before,
    ofMs: performance.now() - began,
    perConnection: (meter.privateBytes - empty) / connections,
  };
}

/** Each kind in a server of its own. */
export async function silentPart(plan: Plan): Promise<SilentRow[]> {
  return [await silence("framed", plan), await silence("streams", plan)];
}
