/**
 * call(): one request, one answer.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { callSettings } from "../options/client_settings.ts";
import { encodeMessage, type Message } from "../pipe/message.ts";
import { type CallOptions, connectWith } from "./connect.ts";

/**
 * Sends one request to a server and returns the answer: connects, sends, receives one message, and
 * closes.
 *
 * **Cancellation:** aborting `signal` gives up at any point, and closes the connection.
 *
 * @param path The name of the pipe, as for {@linkcode connect}.
 * @param message The request. A string is sent as UTF-8.
 * @param options Settings that have defaults.
 * @returns The answer.
 * @throws {TypeError} If the name cannot be used, an option or the message has a wrong type, or the
 *   pipe is a byte pipe, which has no messages.
 * @throws {Deno.errors.BrokenPipe} If the server ended the connection without an answer, for example
 *   because its `authorize` refused this client.
 * @throws {Error} As for {@linkcode connect} and {@linkcode PipeConn.request}.
 *
 * @example One question
 * ```ts
 * import { call } from "@overlapped/named-pipe";
 *
 * console.log(new TextDecoder().decode(await call("shout", "hello")));
 * ```
 */
export async function call(
  path: string,
  message: Message,
  options: CallOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  return await callOn(openLoop, path, message, options);
}

/** {@linkcode call} on any loop. */
export async function callOn(
  open: OpenLoop,
  path: string,
  message: Message,
  options: CallOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  // A copy: the program may change the memory while this connects.
  const bytes = encodeMessage(message).slice();
  const settings = callSettings(path, options);
  const connection = await connectWith(open, settings);
  try {
    return await connection.request(bytes, settings);
  } finally {
    await connection.release();
  }
}
