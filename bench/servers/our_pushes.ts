/**
 * This module as a server that sends one message to all of its clients whenever one sends it a
 * message: `our_pushes.ts PIPE SIZE`. Each client is sent one message of that size when it comes.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import { listen, type PipeConn } from "../../mod.ts";

/** Milliseconds after which others have their turn. */
const TURN = 1;

const subscribers = new Set<PipeConn>();

async function push(message: Uint8Array): Promise<void> {
  let until = performance.now() + TURN;
  for (const subscriber of subscribers) {
    subscriber.send(message).catch(() => {});
    if (performance.now() < until) continue;
    await setImmediate();
    until = performance.now() + TURN;
  }
}

async function subscribe(conn: PipeConn, greeting: Uint8Array): Promise<void> {
  subscribers.add(conn);
  try {
    await conn.send(greeting);
    for await (const message of conn) await push(message);
  } finally {
    subscribers.delete(conn);
  }
}

const [path = "", size] = Deno.args;
const greeting = new Uint8Array(Number(size));
for await (const conn of listen({ path })) subscribe(conn, greeting).catch(() => {});
