/**
 * This module as a server of streams: `our_streams.ts PIPE streams|readWrite|byob`. What a connection
 * does is for its client to say, see `stream.mjs`; what is read is dropped.
 *
 * @module
 */

import { listen, type PipeConn } from "../../mod.ts";
import { chunkOf, headerOf } from "./stream.mjs";

const LONGEST_READ = 65_536;

type Bytes = Uint8Array<ArrayBuffer>;

/** What a way to use a connection has. */
interface Way {
  /** The next bytes; undefined at the end. */
  read(): Promise<Bytes | undefined>;
  write(chunk: Bytes): Promise<unknown>;
}

const WAYS: Record<string, (conn: PipeConn) => Way> = {
  streams(conn) {
    const reader = conn.readable.getReader();
    const writer = conn.writable.getWriter();
    // The writes say it, too.
    writer.closed.catch(() => {});
    return {
      read: async () => (await reader.read()).value,
      write: (chunk) => writer.write(chunk),
    };
  },
  readWrite(conn) {
    const buffer = new Uint8Array(LONGEST_READ);
    return {
      async read() {
        const length = await conn.read(buffer);
        return length === null ? undefined : buffer.subarray(0, length);
      },
      write: (chunk) => conn.write(chunk),
    };
  },
  byob(conn) {
    const reader = conn.readable.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(LONGEST_READ);
    return {
      async read() {
        const { value, done } = await reader.read(new Uint8Array(buffer));
        if (done || value === undefined) return undefined;
        buffer = value.buffer;
        return value;
      },
      write: (chunk) => conn.write(chunk),
    };
  },
};

async function drop({ read }: Way): Promise<void> {
  while (await read() !== undefined);
}

async function fill({ write }: Way, chunk: Bytes): Promise<void> {
  while (true) await write(chunk);
}

async function run(way: Way): Promise<void> {
  const first = await way.read();
  if (first === undefined) return;
  const { down, chunk } = headerOf(first);
  await Promise.all([drop(way), down ? fill(way, chunkOf(chunk)) : undefined]);
}

if (import.meta.main) {
  const [path = "", kind = ""] = Deno.args;
  const way = WAYS[kind];
  if (way === undefined) throw new TypeError(`Cannot serve streams by "${kind}"`);
  for await (const conn of listen({ path, type: "byte" })) run(way(conn)).catch(() => {});
}
