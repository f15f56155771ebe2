/**
 * Servers whose clients are connected and silent: processor time and memory.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { silentClients } from "../load.ts";
import type { Plan } from "../plan.ts";
import type { IdleRow, MemoryRow } from "../results.ts";
import { SERVER_NAMES, type ServerName } from "../server_names.ts";
import { canServe, RunningServer } from "../servers.ts";

/** A server that has answered once. */
async function started(name: ServerName, clients: number): Promise<RunningServer> {
  const most = canServe(name, clients) ? clients : 1;
  const server = new RunningServer(name, { clients: most, size: 64 });
  await (await silentClients(server.path, 1))[Symbol.asyncDispose]();
  return server;
}

/** The processor time of servers at rest, measured at the same time. */
async function rest(
  servers: readonly RunningServer[],
  clients: number,
  { settle, idle: { measure } }: Plan,
): Promise<IdleRow[]> {
  await pause(settle);
  const before = servers.map(({ meter }) => meter.processorMs);
  const began = performance.now();
  await pause(measure);
  const ofMs = performance.now() - began;
  return servers.map(({ name: server, meter }, i) => ({
    server,
    clients,
    processorMs: meter.processorMs - (before[i] ?? NaN),
    ofMs,
  }));
}

/** The processor time of all servers, first without clients, then with silent ones. */
export async function idlePart(plan: Plan): Promise<IdleRow[]> {
  const { clients } = plan.idle;
  await using stack = new AsyncDisposableStack();
  const servers: RunningServer[] = [];
  for (const name of SERVER_NAMES) servers.push(stack.use(await started(name, clients)));
  const empty = await rest(servers, 0, plan);
  const able = servers.filter(({ name }) => name !== "deno" && canServe(name, clients));
  for (const { path } of able) stack.use(await silentClients(path, clients));
  return [...empty, ...await rest(able, clients, plan)];
}

/** The memory of one server that has no clients. */
async function memoryAtFirst(server: ServerName, settle: number): Promise<number> {
  await using running = await started(server, 1);
  await pause(settle);
  return running.meter.privateBytes;
}

/** The memory of one server as silent clients come. */
async function memoryOf(server: ServerName, { memory, settle }: Plan): Promise<MemoryRow> {
  const most = Math.max(...memory.clients);
  await using stack = new AsyncDisposableStack();
  const { path, meter } = stack.use(await started(server, most));
  await pause(settle);
  // The one in C has all its instances from the beginning.
  const empty = server === "port" ? await memoryAtFirst(server, settle) : meter.privateBytes;
  const filled: MemoryRow["filled"][number][] = [];
  let connected = 0;
  for (const clients of memory.clients) {
    stack.use(await silentClients(path, clients - connected));
    connected = clients;
    await pause(settle);
    const bytes = meter.privateBytes;
    filled.push({ clients, bytes, perClient: (bytes - empty) / clients });
  }
  return { server, empty, filled };
}

/** The memory of the servers that can have so many clients. */
export async function memoryPart(
  plan: Plan,
  progress: (text: string) => void,
): Promise<MemoryRow[]> {
  const rows: MemoryRow[] = [];
  for (const server of ["serve", "node", "bun", "port"] as const) {
    progress(server);
    rows.push(await memoryOf(server, plan));
  }
  return rows;
}
