/**
 * The main job, to be watched: the server of examples/named_pipe_server.ts with its four instances,
 * and six clients in another process.
 *
 * @module
 */

import { run } from "../examples/named_pipe_server.ts";
import { connect } from "@overlapped/named-pipe";

const CLIENTS = 6;
const REQUESTS = 3;

async function demo(): Promise<number> {
  const path = `named-pipe-demo-${Deno.pid}`;
  const stop = new AbortController();
  let exchanges = 0;
  const served = run({ path, encoding: "utf-8", signal: stop.signal }, (exchange) => {
    exchanges++;
    console.log(`[${exchange.instance}] "${exchange.request}" -> "${exchange.reply}"`);
  });
  const clients = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-ffi", import.meta.filename ?? "", path],
  }).spawn();
  const { code } = await clients.status;
  stop.abort();
  await served;
  console.log(`${exchanges} exchanges with ${CLIENTS} clients, served by 4 instances`);
  return code === 0 && exchanges === CLIENTS * REQUESTS ? 0 : 1;
}

/** One client: connects when an instance is free, asks, and leaves. */
async function client(path: string, number: number): Promise<void> {
  await using conn = await connect({ path });
  for (let i = 1; i <= REQUESTS; i++) {
    await conn.request(`request ${i} of client ${number}\0`);
  }
}

async function clients(path: string): Promise<void> {
  const all = Array.from({ length: CLIENTS }, (_, i) => client(path, i + 1));
  await Promise.all(all);
}

const [path] = Deno.args;
if (path === undefined) Deno.exitCode = await demo();
else await clients(path);
