/**
 * One end of a connection that sends and receives many bytes at once, by streams, and checks what
 * arrives. Arguments: `listen` or `connect`, the pipe, its type, and the number of bytes each way.
 */

import { Buffer } from "node:buffer";
import { connect, listen, type PipeConn } from "../../../mod.ts";
import { privateBytes } from "../../win32/raw.ts";

/** How one end did. */
export interface Transferred {
  readonly received: number;
  /** By how much the private bytes of the process grew, at most. */
  readonly growth: number;
  readonly milliseconds: number;
}

const CHUNK = 65_536;

/** A prime, so that no cut of the stream falls on the same place of the pattern twice. */
const PERIOD = 65_521;

/** The pattern that is sent again and again, twice, so that every part of it is in one piece. */
const PATTERN = Buffer.alloc(2 * PERIOD + CHUNK);
for (let i = 0; i < PATTERN.length; i++) PATTERN[i] = ((i % PERIOD) * 2_654_435_761) >>> 24;

function part(offset: number, length: number): Uint8Array {
  const at = offset % PERIOD;
  return PATTERN.subarray(at, at + length);
}

async function send(conn: PipeConn, bytes: number): Promise<void> {
  const writer = conn.writable.getWriter();
  for (let sent = 0; sent < bytes; sent += CHUNK) {
    await writer.ready;
    writer.write(part(sent, Math.min(CHUNK, bytes - sent))).catch(() => {});
  }
  await writer.ready;
  writer.releaseLock();
}

async function receive(conn: PipeConn, bytes: number, look: () => void): Promise<number> {
  let received = 0;
  let looked = 0;
  for await (const chunk of conn.readable.values({ preventCancel: true })) {
    if (Buffer.compare(part(received, chunk.length), chunk) !== 0) {
      throw new Error(`Wrong bytes after ${received}`);
    }
    received += chunk.length;
    if (received - looked >= 1_048_576) {
      looked = received;
      look();
    }
    if (received >= bytes) break;
  }
  return received;
}

/** Sends so many bytes and receives as many, both at once; the connection stays open. */
export async function transfer(conn: PipeConn, bytes: number): Promise<Transferred> {
  const before = privateBytes();
  let most = before;
  const look = () => most = Math.max(most, privateBytes());
  const began = performance.now();
  const [received] = await Promise.all([receive(conn, bytes, look), send(conn, bytes)]);
  return { received, growth: most - before, milliseconds: performance.now() - began };
}

async function connection(role: string, path: string, type: string): Promise<PipeConn> {
  if (role === "connect") return await connect({ path });
  const listener = listen({ path, type: type === "byte" ? type : "message" });
  console.log("listening");
  const conn = await listener.accept();
  listener.close();
  return conn;
}

async function main([role = "", path = "", type = "", bytes = ""]: string[]): Promise<void> {
  const conn = await connection(role, path, type);
  const transferred = await transfer(conn, Number(bytes));
  console.log(JSON.stringify(transferred));
  // Whoever is done first waits until the other has received everything, too.
  await conn.writable.close();
}

if (import.meta.main) await main(Deno.args);
