/**
 * notify(): one message, and no answer.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import type { Message } from "../pipe/message.ts";
import { type ClientOptions, connectWith } from "./connect.ts";
import { oneMessage } from "./one_message.ts";

/**
 * Sends one message to a server: connects, sends, and closes. It waits for no answer, and one that
 * the server sends is lost.
 *
 * The server can still read the message after this end has closed. That it has read it, or that its
 * `authorize` admits this client, is not known: use {@linkcode call} to be told.
 *
 * **Cancellation:** aborting `signal` gives up at any point, and closes the connection.
 *
 * @param path The name of the pipe, as for {@linkcode connect}.
 * @param message The message. A string is sent as UTF-8. May be empty.
 * @param options Settings that have defaults.
 * @returns Resolves when Windows has accepted the message and the connection is closed.
 * @throws {TypeError} If the name cannot be used, an option or the message has a wrong type, the
 *   message cannot be framed, or the pipe is a byte pipe, which needs `framing`.
 * @throws {RangeError} If a number is out of its range, or the message is too long.
 * @throws {Deno.errors.BrokenPipe} If the server ended the connection first.
 * @throws {Error} As for {@linkcode connect} and {@linkcode PipeConn.send}.
 *
 * @example A message without an answer
 * ```ts
 * import { notify } from "@overlapped/named-pipe";
 *
 * await notify("tray", "build finished");
 * ```
 */
export async function notify(
  path: string,
  message: Message,
  options: ClientOptions = {},
): Promise<void> {
  await notifyOn(openLoop, path, message, options);
}

/** {@linkcode notify} on any loop. */
export async function notifyOn(
  open: OpenLoop,
  path: string,
  message: Message,
  options: ClientOptions = {},
): Promise<void> {
  const { bytes, settings } = oneMessage(path, message, options);
  const connection = await connectWith(open, settings);
  try {
    await connection.send(bytes, { signal: settings.signal });
  } finally {
    await connection.release();
  }
}
