/**
 * Servers whose clients are connected and silent: processor time and memory.
 *
 * @module
 */

import { SilentClients } from "../load.ts";
import type { Plan } from "../plan.ts";
import type { IdleRow, MemoryRow } from "../results.ts";
import { SERVER_NAMES, type ServerName } from "../server_names.ts";
import { canServe, RunningServer } from "../servers.ts";

/** How long what has just happened may go on, in milliseconds. */
const SETTLE = 1_000;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A server that has answered once, and how many are still connected. */
async function settled(
  name: ServerName,
  clients: number,
  stack: AsyncDisposableStack,
): Promise<RunningServer> {
  const server = stack.use(new RunningServer(name, { clients: Math.max(clients, 1), size: 64 }));
  if (clients > 0) stack.use(await SilentClients.connect(server.path, clients));
  else await (await SilentClients.connect(server.path, 1))[Symbol.asyncDispose]();
  return server;
}

/** The processor time of all servers at rest, measured at the same time. */
export async function idlePart(plan: Plan): Promise<IdleRow[]> {
  const rows: IdleRow[] = [];
  for (const clients of [0, plan.idle.clients]) {
    await using stack = new AsyncDisposableStack();
    const servers: RunningServer[] = [];
    for (const name of SERVER_NAMES) {
      if (name === "deno" && clients > 0 || !canServe(name, clients)) continue;
      servers.push(await settled(name, clients, stack));
    }
    await pause(SETTLE);
    const before = servers.map(({ meter }) => meter.processorMs);
    const began = performance.now();
    await pause(plan.idle.measure);
    const ofMs = performance.now() - began;
    for (const [i, { name: server, meter }] of servers.entries()) {
      rows.push({ server, clients, processorMs: meter.processorMs - (before[i] ?? NaN), ofMs });
    }
  }
  return rows;
}

async function memoryOf(
  server: ServerName,
  { memory: { clients } }: Plan,
): Promise<MemoryRow> {
  const bytes: number[] = [];
  for (const count of [0, ...clients]) {
    await using stack = new AsyncDisposableStack();
    const { meter } = await settled(server, count, stack);
    await pause(SETTLE);
    bytes.push(meter.privateBytes);
  }
  const [empty = NaN, ...rest] = bytes;
  const filled = clients.map((count, i) => {
    const all = rest[i] ?? NaN;
    return { clients: count, bytes: all, perClient: (all - empty) / count };
  });
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
