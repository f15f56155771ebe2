/**
 * The main job, to be watched: the server of examples/named_pipe_server.ts with its four instances,
 * and six clients.
 *
 * @module
 */

import { run } from "../../examples/named_pipe_server.ts";
import type { connect, serve } from "@overlapped/named-pipe";

const CLIENTS = 6;
const REQUESTS = 3;

/**
 * Serves until the clients have ended, and shows each exchange.
 *
 * @param clients Runs the clients; says whether all went well.
 * @returns Whether all went well.
 */
export async function demonstrate(
  path: string,
  clients: () => Promise<boolean>,
  listen?: typeof serve,
): Promise<boolean> {
  const stop = new AbortController();
  let exchanges = 0;
  const served = run(
    { path, encoding: "utf-8", signal: stop.signal },
    (exchange) => {
      exchanges++;
      console.log(`[${exchange.instance}] "${exchange.request}" -> "${exchange.reply}"`);
    },
    listen,
  );
  const success = await clients();
  stop.abort();
  await served;
  console.log(`${exchanges} exchanges with ${CLIENTS} clients, served by 4 instances`);
  return success && exchanges === CLIENTS * REQUESTS;
}

/** All clients, each with the function that it connects by. */
export async function runClients(path: string, dial: () => typeof connect): Promise<void> {
  const all = Array.from({ length: CLIENTS }, (_, i) => client(path, i + 1, dial()));
  await Promise.all(all);
}

/** One client: connects when an instance is free, asks, and leaves. */
async function client(path: string, number: number, dial: typeof connect): Promise<void> {
  await using conn = await dial({ path });
  for (let i = 1; i <= REQUESTS; i++) {
    await conn.request(`request ${i} of client ${number}\0`);
  }
}
