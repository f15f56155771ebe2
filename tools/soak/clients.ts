/**
 * Well-behaved clients of the soak: whatever others do, they are answered.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { Buffer } from "node:buffer";
import { call, connect, type PipeConn } from "../../mod.ts";
import { LIMITS, WELL_BEHAVED } from "./limits.ts";
import { tell, values } from "./lines.ts";
import { Random } from "./random.ts";

/** What the process can be asked. */
export type ClientsQuestion = "go" | "rest" | "state";

/** How the clients are. */
export interface ClientsState {
  /** Replies that were right. */
  readonly right: number;
  /** Replies that were not what was sent. */
  readonly wrong: number;
  /** What became of requests that had no reply, and of connections that did not come about. */
  readonly lost: readonly string[];
}

const ACTORS = 5;

/** Long enough for every limit to make room. */
const PATIENCE = 120_000;

let going = false;
let right = 0;
let wrong = 0;
const lost: string[] = [];

function size(random: Random): number {
  const most = random.next();
  if (most < 0.6) return random.between(2, 200);
  if (most < 0.85) return random.between(2, 8_192);
  if (most < 0.97) return random.between(2, 100_000);
  return random.between(2, LIMITS.maxMessage);
}

function request(random: Random): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size(random));
  const step = random.between(1, 255);
  for (let i = 2; i < bytes.length; i++) bytes[i] = i * step;
  bytes[0] = WELL_BEHAVED;
  bytes[1] = random.chance(0.2) ? random.between(1, 30) : 0;
  return bytes;
}

function check(reply: Uint8Array, message: Uint8Array): void {
  if (Buffer.compare(reply, message) === 0) right++;
  else wrong++;
}

async function ask(conn: PipeConn, random: Random): Promise<void> {
  const message = request(random);
  check(await conn.request(message), message);
}

/** Comes, asks some times, and leaves. */
async function converse(path: string, random: Random): Promise<void> {
  if (random.chance(0.1)) {
    const message = request(random);
    return check(await call(path, message, { connectTimeout: PATIENCE }), message);
  }
  await using conn = await connect({ path, connectTimeout: PATIENCE });
  for (let left = random.between(1, 30); left > 0; left--) {
    if (random.chance(0.05)) await pause(random.between(0, 300));
    const together = random.chance(0.2) ? random.between(2, 6) : 1;
    await Promise.all(Array.from({ length: together }, () => ask(conn, random)));
  }
}

/** One after the other, as long as it goes on; resolves when it is told to rest. */
async function actor(path: string, random: Random): Promise<void> {
  while (going) {
    try {
      await converse(path, random);
    } catch (error) {
      lost.push(`${error}`);
    }
  }
}

async function soakClients(path: string, seed: number): Promise<void> {
  const random = new Random(seed);
  let actors: Promise<unknown> = Promise.resolve();
  for await (const question of values<ClientsQuestion>(Deno.stdin.readable)) {
    if (question === "go") {
      going = true;
      actors = Promise.all(Array.from({ length: ACTORS }, () => actor(path, random.fork())));
    }
    if (question === "rest") {
      going = false;
      await actors;
    }
    tell({ right, wrong, lost } satisfies ClientsState);
  }
}

const [path, seed] = Deno.args;
if (import.meta.main && path !== undefined) await soakClients(path, Number(seed));
