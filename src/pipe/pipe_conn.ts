/**
 * The interface of a connection to a pipe server.
 *
 * @module
 */

import type { Message } from "./message.ts";

/**
 * A client's connection to a pipe server. `using` and `await using` close it.
 *
 * Iterating it gives the messages that arrive, until the server ends the connection or the program
 * closes it.
 *
 * **Order:** calls take effect in the order in which they were made. Messages are sent in that
 * order, and each message that arrives goes to the first call that waits for one.
 *
 * **The end:** once the server has ended the connection and its last message has been received, the
 * connection closes itself. An open connection keeps the program running only while a call waits.
 */
export interface PipeConn
  extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array<ArrayBuffer>> {
  /**
   * Whether the pipe keeps messages apart. A byte pipe, as `node:net` creates them, does not: all
   * calls that send or receive messages then reject with a `TypeError`.
   */
  readonly type: "message" | "byte";
  /**
   * Sends one message, and receives the next message that arrives as its answer.
   *
   * Requests are served one at a time: a request made while another waits for its answer is sent
   * after that answer, and so is everything that was sent after it.
   *
   * When the server answers a request with several messages, this resolves with the first. Receive
   * the others with {@linkcode PipeConn.receive}, or in a loop over the connection, before the next
   * request, which would take them for its own answer. The same holds for messages that the server
   * sends unasked.
   *
   * **Cancellation:** aborting `signal` closes the connection, since an answer that arrives later
   * would be taken for that of the next request. A request that was not sent yet is only dropped, and
   * the connection stays open.
   *
   * @throws {TypeError} If the message has a wrong type, while a `receive()` or a loop over the
   *   connection waits for a message, or on a byte pipe.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the server ended the connection. It may have handled the
   *   request already. All later requests get this too: connect again.
   * @throws {Deno.errors.Interrupted} If this end closed the connection, before or during the call:
   *   with `close()`, or because an earlier call was aborted or failed.
   * @throws {Deno.errors.InvalidData} If the answer is longer than `maxMessage`.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the answer arrived.
   */
  request(
    message: Message,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Sends one message, after everything that was sent before. The bytes are copied at the call.
   *
   * It does not wait for the answer to a request that has been sent, but it does wait for earlier
   * requests that have not been sent yet.
   *
   * **Cancellation:** aborting `signal` closes the connection if the message is partly sent, since
   * the server could not tell where the next one begins. A message that was not sent yet is only
   * dropped, and one that Windows has accepted is sent: the promise resolves.
   *
   * @returns Resolves when Windows has accepted the message, which does not mean that it was read.
   * @throws {TypeError} If the message has a wrong type, or on a byte pipe.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes.
   * @throws {Deno.errors.BrokenPipe} If the server ended the connection.
   * @throws {Deno.errors.Interrupted} As for {@linkcode PipeConn.request}.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before the message was accepted.
   */
  send(message: Message, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Waits for one message: the next that is not the answer to a request made before.
   *
   * **Cancellation:** aborting `signal` ends only this call; the next message goes to the next call.
   *
   * @returns The message, or null when the server has ended the connection.
   * @throws {TypeError} On a byte pipe.
   * @throws {Deno.errors.Interrupted} As for {@linkcode PipeConn.request}.
   * @throws {Deno.errors.InvalidData} If the message is longer than `maxMessage`.
   * @throws {WindowsError} If something else went wrong. The connection is closed then.
   * @throws {unknown} `signal.reason`, when `signal` aborts before a message arrived.
   */
  receive(
    options?: { signal?: AbortSignal | undefined },
  ): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Closes the connection. The server can still read what was sent; a message that Windows has not
   * accepted yet is withdrawn. A loop over the connection ends, and all other pending calls reject
   * with `Deno.errors.Interrupted`.
   */
  close(): void;
}
