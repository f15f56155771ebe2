/**
 * The interface of a connection, for both ends of a pipe.
 *
 * @module
 */

import type { CloseReason } from "./close_reason.ts";
import type { As, Decoded, Ended } from "./decoding.ts";
import type { Message } from "./message.ts";
import type { PipePeer } from "./peer.ts";

/** How a connection ended. */
export interface PipeEnded {
  /** Why. */
  readonly reason: CloseReason;
  /** The details, for `"error"` and for limits. */
  readonly error?: Error;
}

/** Options of the calls of a {@linkcode PipeConn} that send. */
export interface SendOptions {
  /** Aborting it cancels the call, which rejects with the reason of the signal. */
  signal?: AbortSignal | undefined;
}

/** Options of the calls of a {@linkcode PipeConn} that receive. */
export interface ReceiveOptions<A extends As = As> extends SendOptions {
  /**
   * How the message is decoded: `"bytes"`, `"text"` (UTF-8) or `"json"`.
   *
   * @default {"bytes"}
   */
  as?: A | undefined;
}

/**
 * A connection over a named pipe: {@linkcode connect} gives it to a client, {@linkcode listen} to a
 * server. `using` and `await using` close it.
 *
 * **Three ways to use it**, of which the first one used holds for each direction; the others are a
 * `TypeError` then:
 *
 * - messages: {@linkcode PipeConn.send}, {@linkcode PipeConn.receive}, {@linkcode PipeConn.request},
 *   {@linkcode PipeConn.messages}, and iterating the connection itself. On a byte pipe, which does
 *   not keep messages apart, they need the option `framing`.
 * - bytes: {@linkcode PipeConn.read} and {@linkcode PipeConn.write}.
 * - streams: {@linkcode PipeConn.readable} and {@linkcode PipeConn.writable}.
 *
 * **Full duplex:** both directions are independent of each other, and either end may speak first. Two
 * ends that each write everything before they read stop each other, as soon as what is on its way
 * exceeds what Windows buffers (`readBufferSize`, `writeBufferSize`) by one message or chunk.
 *
 * **Order:** calls take effect in the order in which they were made. Messages are sent in that
 * order, and each message that arrives goes to the first call that waits for one.
 *
 * **Backpressure:** a server's connection reads at most one message or chunk before the program asks
 * for it; a client's connection reads only when asked, or once {@linkcode PipeConn.closed} was read.
 *
 * **The end:** when the other end has closed the connection and the last data was received, the
 * connection closes itself. All calls return promises that reject, and never throw. An open
 * connection keeps the program running only while a call waits, or `closed` is being waited for.
 */
export interface PipeConn<Peer extends PipePeer = PipePeer>
  extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array<ArrayBuffer>> {
  /** The full name of the pipe, `\\.\pipe\…`. */
  readonly path: string;
  /** Whether the pipe keeps messages apart. A byte pipe, as `node:net` creates them, does not. */
  readonly type: "message" | "byte";
  /** Whether one direction can be ended alone: the option of {@linkcode listen} and {@linkcode connect}. */
  readonly halfClose: "none" | "empty-message";
  /** The process at the other end: a server's client, or a client's server. */
  readonly peer: Peer;
  /**
   * Resolves when the connection has ended, with the reason. Never rejects.
   *
   * It resolves as soon as the other end is known to have closed the connection, unless a message or
   * chunk was read that the program has not received: then when it is received. With
   * `direction: "write"`, where nothing can be read, it resolves with the next write.
   *
   * Reading this property makes a client's connection watch for the end, by reading one message or
   * chunk ahead, and waiting for it keeps the program running.
   */
  readonly closed: Promise<PipeEnded>;
  /**
   * Aborts when the server has begun to shut down: finish soon, before the timeout of the shutdown.
   * At a client it never aborts.
   */
  readonly draining: AbortSignal;
  /** Bytes that were given to `send`, `write` or `writable` and that Windows has not accepted yet. */
  readonly queued: number;

  /**
   * Sends one message, and receives the next message that arrives as its answer.
   *
   * Requests are served one at a time: a request made while another waits for its answer is sent
   * after that answer, and so is everything that was sent after it.
   *
   * When the other end answers a request with several messages, this resolves with the first.
   * Receive the others with {@linkcode PipeConn.receive}, or in a loop over the connection, before
   * the next request, which would take them for its own answer. The same holds for messages that the
   * other end sends unasked.
   *
   * **Cancellation:** aborting `signal` closes the connection, since an answer that arrives later
   * would be taken for that of the next request. A request that was not sent yet is only dropped, and
   * the connection stays open.
   *
   * @throws {TypeError} If the message or an option has a wrong type, the message cannot be framed,
   *   while a `receive()` or a loop over the connection waits for a message, if the connection is
   *   used in another way, or on a byte pipe without `framing`.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {SyntaxError} With `as: "json"`, if the answer is not JSON. The connection stays open.
   * @throws {Deno.errors.BrokenPipe} If the other end closed the connection. It may have handled the
   *   request already. All later requests get this too: connect again.
   * @throws {Deno.errors.Interrupted} If this end closed the connection, before or during the call:
   *   with `close()`, or because an earlier call was aborted or failed.
   * @throws {Deno.errors.InvalidData} If the answer is longer than `maxMessage`, or cannot be used.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the answer arrived.
   */
  request<A extends As = "bytes">(
    message: Message,
    options?: ReceiveOptions<A>,
  ): Promise<Decoded<A>>;
  /**
   * Sends one message, after everything that was sent before. The bytes are copied at the call.
   *
   * It does not wait for the answer to a request that has been sent, but it does wait for earlier
   * requests that have not been sent yet.
   *
   * **Cancellation:** aborting `signal` closes the connection if the message is partly sent, since
   * the other end could not tell where the next one begins. A message that was not sent yet is only
   * dropped, and one that Windows has accepted is sent: the promise resolves.
   *
   * @returns Resolves when Windows has accepted the message, which does not mean that it was read.
   * @throws {TypeError} If the message has a wrong type or cannot be framed, after `closeWrite()`, if
   *   it is empty and `halfClose` is set, if the connection is used in another way, or on a byte pipe
   *   without `framing`.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the other end closed the connection.
   * @throws {Deno.errors.TimedOut} If the other end did not read it within `writeTimeout`.
   * @throws {Deno.errors.Busy} At a server, if more than `maxQueued` bytes waited. Either of these
   *   closes the connection.
   * @throws {Deno.errors.Interrupted} As for {@linkcode PipeConn.request}.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the message was accepted.
   */
  send(message: Message, options?: SendOptions): Promise<void>;
  /**
   * Waits for one message: the next that is not the answer to a request made before.
   *
   * **Cancellation:** aborting `signal` ends only this call; the next message goes to the next call.
   *
   * @returns The message. When the other end has closed the connection: null, or undefined with
   *   `as: "json"`.
   * @throws {TypeError} If an option has a wrong type, if the connection is used in another way, or on
   *   a byte pipe without `framing`.
   * @throws {SyntaxError} With `as: "json"`, if the message is not JSON. The connection stays open.
   * @throws {Deno.errors.Interrupted} As for {@linkcode PipeConn.request}.
   * @throws {Deno.errors.InvalidData} If the message is longer than `maxMessage`, or cannot be used:
   *   also when that was found before this was called.
   * @throws {Deno.errors.TimedOut} At a server, if the client was idle for `idleTimeout`.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before a message arrived.
   */
  receive<A extends As = "bytes">(options?: ReceiveOptions<A>): Promise<Decoded<A> | Ended<A>>;
  /**
   * The messages that arrive, until the other end closes the connection or this program does. Leaving
   * a loop over them leaves the connection as it is.
   */
  messages<A extends As = "bytes">(options?: { as?: A | undefined }): AsyncIterable<Decoded<A>>;

  /**
   * Reads bytes into `p`, as `Deno.Conn` does: at least one, unless a message pipe has an empty
   * message. A message that is longer than `p` is read in parts.
   *
   * @returns How many bytes were read; null when the other end has closed the connection.
   * @throws {TypeError} If `p` is not a Uint8Array, or the connection is used in another way.
   * @throws {Error} As for {@linkcode PipeConn.receive}.
   */
  read(p: Uint8Array): Promise<number | null>;
  /**
   * Writes all of `p`: on a message pipe as one message. With `halfClose`, an empty `p` is ignored.
   *
   * @returns The length of `p`, once Windows has accepted it.
   * @throws {Error} As for {@linkcode PipeConn.send}.
   */
  write(p: Uint8Array): Promise<number>;
  /**
   * What arrives, as a stream: on a byte pipe a stream of bytes, which supports BYOB readers; on a
   * message pipe one chunk for each message, without empty ones. With `framing`, which streams do not
   * use, a long message may come in several chunks. Cancelling it writes what is queued and then
   * closes the connection, except with `halfClose`, where writing goes on.
   *
   * @throws {TypeError} If the connection receives in another way already.
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * What is sent, as a stream: each chunk is one message on a message pipe. It is ready for the next
   * chunk when Windows has accepted the last one; on a byte pipe, short chunks that follow on each
   * other are gathered, and an error comes with a later one. Closing it writes what is queued, and
   * then closes the connection, or, with `halfClose`, this direction: an empty chunk does not.
   * Aborting it, or writing a chunk that is no `Uint8Array`, closes the connection at once.
   *
   * @throws {TypeError} If the connection sends in another way already.
   */
  readonly writable: WritableStream<Uint8Array>;
  /**
   * Ends this direction: the other end receives the end, and can go on sending. When both directions
   * have ended, the connection closes itself, with the reason `"self"`. Needs the option
   * `halfClose: "empty-message"`; Windows itself has no such thing.
   *
   * @returns Resolves when Windows has accepted everything that was sent before.
   * @throws {Deno.errors.NotSupported} Without that option.
   * @throws {Error} As for {@linkcode PipeConn.send}.
   */
  closeWrite(): Promise<void>;

  /** Lets calls that wait keep the program running, which is the default. */
  ref(): void;
  /** Keeps the program running no longer, whatever waits. */
  unref(): void;
  /**
   * Closes the connection now. The other end can still read what Windows has accepted; the rest is
   * withdrawn. A loop over the connection ends, and all other pending calls reject with
   * `Deno.errors.Interrupted`. `await using` writes what is queued first, also what waits for answers
   * to earlier requests, for at most `writeTimeout`, or 10,000 ms if that is `Infinity`.
   */
  close(): void;
}
