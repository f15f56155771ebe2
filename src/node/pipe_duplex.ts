/**
 * The interface of a stream over a connection.
 *
 * @module
 */

import type { Duplex } from "node:stream";
import type { PipePeer } from "../pipe/peer.ts";
import type { PipeConn } from "../pipe/pipe_conn.ts";

/**
 * A `node:stream` Duplex over a connection, with the members of a `net.Socket` that libraries use.
 *
 * - **Reading** begins at once, as that of a `net.Socket`, and goes on until `readableHighWaterMark`
 *   bytes wait for the program. Empty messages are skipped.
 * - **Writing:** on a message pipe each `write()` is one message, corked or not. On a byte pipe,
 *   writes that wait are joined. Empty writes are left out. The callback of a write is called when
 *   Windows has accepted the data.
 * - **`end()`** writes everything, and then closes the connection, both directions of it. With
 *   `halfClose` it ends this direction alone, by an empty message.
 * - **When the other end has closed** the connection, `"end"` is emitted, and the stream ends. With
 *   `halfClose`, where the other end may only have ended its direction, `allowHalfOpen` is true and
 *   the program calls `end()`.
 * - **`destroy()`** closes the connection: what Windows has accepted stays readable, the rest is
 *   withdrawn. `"close"` is emitted when everything is released.
 * - **Errors** have the `code` of `node:net` (`EPIPE`: the other end has closed the connection,
 *   `ECONNABORTED`: this program has, or its server, `ETIMEDOUT`, `ENOBUFS`, `EBADMSG`, `EIO`), and
 *   the connection's own error as `cause`. After any of them the stream is destroyed.
 */
export interface PipeDuplex<Peer extends PipePeer = PipePeer> extends Duplex {
  /** The connection: `conn.peer` tells who is at the other end. */
  readonly conn: PipeConn<Peer>;
  /** Bytes received so far. */
  readonly bytesRead: number;
  /** Bytes given to `write()` so far. */
  readonly bytesWritten: number;
  /** Always false: the connection is there. */
  readonly connecting: false;
  /** Always false: the connection is there. */
  readonly pending: false;
  /** Which directions are open. */
  readonly readyState: "open" | "readOnly" | "writeOnly" | "closed";
  /** The milliseconds of {@linkcode PipeDuplex.setTimeout}; 0 if there is no timeout. */
  readonly timeout: number;
  /** Always undefined: a pipe has no address. */
  readonly remoteAddress: undefined;
  /** Always undefined. */
  readonly remoteFamily: undefined;
  /** Always undefined. */
  readonly remotePort: undefined;
  /** Always undefined. */
  readonly localAddress: undefined;
  /** Always undefined. */
  readonly localFamily: undefined;
  /** Always undefined. */
  readonly localPort: undefined;

  /** Always empty: a pipe has no address. */
  address(): Record<string, never>;
  /** Does nothing: a pipe needs none. */
  setKeepAlive(enable?: boolean, initialDelay?: number): this;
  /** Does nothing: a pipe delays nothing. */
  setNoDelay(noDelay?: boolean): this;
  /**
   * Emits `"timeout"` whenever nothing was received or accepted by Windows for so long, and not again
   * before something is. The stream stays open.
   *
   * @param milliseconds 0 for no timeout, which is the default.
   * @param listener Called at the next `"timeout"` only.
   * @throws {TypeError} If an argument has a wrong type.
   * @throws {RangeError} If the milliseconds are negative or not finite.
   */
  setTimeout(milliseconds: number, listener?: () => void): this;
  /** Lets the connection keep the program running while it is read or written: the default. */
  ref(): this;
  /** Keeps the program running no longer. */
  unref(): this;
  /** Writes everything that was written, and destroys the stream then. */
  destroySoon(): void;
}
