/**
 * Connections that are open and silent: processor time and memory.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import type { Plan } from "../plan.ts";
import type { SilentRow } from "../results.ts";
import { RunningServer } from "../servers.ts";
import { silentStreams } from "../stream_load.ts";

const SERVER = "streams";

/** Connections of `listen`, each of which has been read from once and reads on. */
export async function silentPart({ silent, settle }: Plan): Promise<SilentRow[]> {
  const { connections, measure } = silent;
  await using stack = new AsyncDisposableStack();
  const needs = { clients: connections, size: 1, work: "streams" } as const;
  const { path, meter } = stack.use(new RunningServer(SERVER, needs));
  // The first one has made the server load what it needs.
  await (await silentStreams(path, 1))[Symbol.asyncDispose]();
  await pause(settle);
  const empty = meter.privateBytes;
  stack.use(await silentStreams(path, connections));
  await pause(settle);
  const [before, began] = [meter.processorMs, performance.now()];
  await pause(measure);
  return [{
    server: SERVER,
    connections,
    processorMs: meter.processorMs - before,
    ofMs: performance.now() - began,
    perConnection: (meter.privateBytes - empty) / connections,
  }];
}
