/**
 * Makes a stream of a connection.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { PipePeer } from "../pipe/peer.ts";
import type { PipeConn } from "../pipe/pipe_conn.ts";
import { streamError } from "./errors.ts";
import { IdleTimer } from "./idle_timer.ts";
import type { PipeDuplex } from "./pipe_duplex.ts";

/** Bytes of the memory that is read into: at first, and as soon as that is filled once. */
const FIRST_READ = 4_096;
const LATER_READS = 65_536;

/** On a byte pipe, short writes that wait are joined to so many bytes, and long ones are cut. */
const PART = 65_536;

/** Connections of which a stream was made. */
const taken = new WeakSet<PipeConn>();

type Done = (error?: Error | null) => void;

/** See {@linkcode PipeDuplex}. */
class ConnDuplex<Peer extends PipePeer> extends Duplex implements PipeDuplex<Peer> {
  readonly conn: PipeConn<Peer>;
  readonly connecting = false;
  readonly pending = false;
  readonly remoteAddress = undefined;
  readonly remoteFamily = undefined;
  readonly remotePort = undefined;
  readonly localAddress = undefined;
  readonly localFamily = undefined;
  readonly localPort = undefined;
  readonly #idle = new IdleTimer(() => this.emit("timeout"));
  #incoming = new Uint8Array(FIRST_READ);
  /** Settles with the write that is under way, or was last. */
  #writing: Promise<void> = Promise.resolve();
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(conn: PipeConn<Peer>) {
    super({
      allowHalfOpen: conn.halfClose !== "none",
      decodeStrings: true,
      emitClose: true,
      ...(conn.type === "byte"
        ? { writev: (chunks, done) => this.#writeJoined(chunks, done) }
        : {}),
    });
    this.conn = conn;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten + this.writableLength;
  }

  get readyState(): PipeDuplex["readyState"] {
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }

  get timeout(): number {
    return this.#idle.milliseconds;
  }

  address(): Record<string, never> {
    return {};
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(milliseconds: number, listener?: () => void): this {
    if (this.destroyed) return this;
    this.#idle.set(milliseconds);
    if (listener === undefined) return this;
    if (milliseconds === 0) this.removeListener("timeout", listener);
    else this.once("timeout", listener);
    return this;
  }

  ref(): this {
    this.conn.ref();
    return this;
  }

  unref(): this {
    this.conn.unref();
    return this;
  }

  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _read(): void {
    this.conn.read(this.#incoming).then((length) => this.#received(length), (error) => {
      if (!this.destroyed) this.destroy(streamError(error, "read"));
    });
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#begin([chunk], done);
  }

  override _final(done: Done): void {
    const { conn } = this;
    const ended = conn.halfClose === "none" ? conn[Symbol.asyncDispose]() : conn.closeWrite();
    ended.then(() => done(), (error) => {
      // One who has left needs not be told, and everything is written.
      done(error instanceof Deno.errors.BrokenPipe ? null : streamError(error, "write"));
    });
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#idle.stop();
    this.conn.close();
    this.conn[Symbol.asyncDispose]().then(() => done(error), done);
  }

  #received(length: number | null): void {
    if (this.destroyed) return;
    this.#idle.refresh();
    // An empty message.
    if (length === 0) return this._read();
    if (length === null) return this.#ended();
    this.#bytesRead += length;
    // A copy, because the next read may begin within push().
    const chunk = Buffer.from(this.#incoming.subarray(0, length));
    if (length === this.#incoming.length && length < LATER_READS) {
      this.#incoming = new Uint8Array(LATER_READS);
    }
    this.push(chunk);
  }

  /** The other end has closed the connection or, with `halfClose`, its direction. */
  #ended(): void {
    const end = () => {
      if (this.destroyed) return;
      this.push(null);
      // Emits "end" although nobody reads.
      this.read(0);
    };
    if (this.conn.halfClose !== "none") return end();
    // What the other end has read before it left was written, although that may be seen later.
    this.#writing.then(end, end);
  }

  #begin(chunks: Uint8Array[], done: Done): void {
    this.#writing = this.#writeAll(chunks);
    this.#writing.then(() => done(), (error) => done(streamError(error, "write")));
  }

  #writeJoined(chunks: { chunk: Uint8Array }[], done: Done): void {
    const joined = [...groups(chunks.map(({ chunk }) => chunk))].map((group) => {
      return group.length === 1 ? group[0] ?? new Uint8Array(0) : Buffer.concat(group);
    });
    this.#begin(joined, done);
  }

  async #writeAll(chunks: Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      const longest = this.conn.type === "byte" ? PART : chunk.length;
      for (let at = 0; at < chunk.length; at += longest) {
        this.#idle.refresh();
        await this.conn.write(chunk.subarray(at, at + longest));
        this.#idle.refresh();
      }
      this.#bytesWritten += chunk.length;
    }
  }
}

/** Chunks in groups of which each is short enough to be joined, or one chunk. */
function* groups(chunks: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let group: Uint8Array[] = [];
  let length = 0;
  for (const chunk of chunks) {
    if (group.length > 0 && length + chunk.length > PART) {
      yield group;
      group = [];
      length = 0;
    }
    group.push(chunk);
    length += chunk.length;
  }
  if (group.length > 0) yield group;
}

/**
 * Makes a `node:stream` Duplex of a connection, for libraries that want a `net.Socket` or a stream.
 *
 * @param conn The connection, of which the stream takes both directions.
 * @returns The stream, which owns the connection from now on.
 *   A connection that receives in another way already gives it a `TypeError`, which destroys it.
 * @throws {TypeError} If a stream was made of the connection before.
 */
export function toDuplex<Peer extends PipePeer>(conn: PipeConn<Peer>): PipeDuplex<Peer> {
  if (taken.has(conn)) throw new TypeError("Cannot make a stream of it: there is one already");
  taken.add(conn);
  const duplex = new ConnDuplex(conn);
  // As `node:net` does: the end is seen although nobody reads.
  duplex.read(0);
  return duplex;
}
