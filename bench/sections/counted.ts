/**
 * What is counted, not timed: calls, waits and copied bytes for each exchange.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { closeHandle, read, write } from "../../tests/win32/raw.ts";
import { type Counted, perExchange } from "../counters.ts";
import { load } from "../load.ts";
import { allServed } from "../load_process.ts";
import { opened } from "../opened.ts";
import type { Plan } from "../plan.ts";
import type { CountedRow } from "../results.ts";
import type { ServerName } from "../server_names.ts";
import { RunningServer, type ServerNeeds } from "../servers.ts";

/** Milliseconds that a client takes at most to connect, beside all others. */
const CONNECTING = 10;

const LOOKS = ["counters", "calls"] as const;

/** Asks a server that was started to be looked at. */
async function readCounters(path: string): Promise<Counted> {
  const pipe = await opened(path, { messageMode: true });
  try {
    write(pipe, new Uint8Array(1));
    return JSON.parse(new TextDecoder().decode(read(pipe, 65_536).bytes));
  } finally {
    closeHandle(pipe);
  }
}

async function count(
  server: ServerName,
  clients: number,
  size: number,
  { settle, counted: { measure, measureMore } }: Plan,
  look: ServerNeeds["look"],
): Promise<CountedRow> {
  await using running = new RunningServer(server, { clients, size, look });
  const { path } = running;
  // Who still connects would be counted, too.
  const calm = settle + clients * CONNECTING;
  // Compiled code differs from what is not compiled yet, in time though not in number.
  allServed(await load({ path, clients, size, warmUp: 0, measure: calm }), clients);
  const time = measure + clients * measureMore;
  const loading = load({ path, clients, size, warmUp: 0, measure: time + 2 * calm });
  await pause(calm);
  const before = await readCounters(path);
  await pause(time);
  const after = await readCounters(path);
  allServed(await loading, clients);
  return { server, clients, size, perExchange: perExchange(before, after) };
}

/** Counts while so many clients ask. Calls by name are counted in runs of their own. */
export async function countedPart(
  plan: Plan,
  progress: (text: string) => void,
): Promise<CountedRow[]> {
  const rows: CountedRow[] = [];
  for (const server of ["serve", "exchanges"] as const) {
    for (const size of plan.counted.sizes) {
      for (const clients of plan.counted.clients) {
        progress(`${server}, ${clients} clients, ${size} bytes`);
        const [row, calls] = [
          await count(server, clients, size, plan, LOOKS[0]),
          await count(server, clients, size, plan, LOOKS[1]),
        ];
        const perExchange = { ...row.perExchange, calls: calls.perExchange.calls };
        rows.push({ ...row, perExchange });
      }
    }
  }
  return rows;
}
