/**
 * call(): one request, one answer.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { type As, type Decoded, decodingOf } from "../pipe/decoding.ts";
import type { Message } from "../pipe/message.ts";
import { type ClientOptions, connectWith } from "./connect.ts";
import { oneMessage } from "./one_message.ts";

/** Options of {@linkcode call}. All are read once, at the call. */
export interface CallOptions<A extends As = As> extends ClientOptions {
  /**
   * How the answer is decoded: `"bytes"`, `"text"` (UTF-8) or `"json"`.
   *
   * @default {"bytes"}
   */
  as?: A | undefined;
}

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
 * @throws {TypeError} If the name cannot be used, an option or the message has a wrong type, the
 *   message cannot be framed, or the pipe is a byte pipe, which needs `framing`.
 * @throws {RangeError} If a number is out of its range, or the message is too long.
 * @throws {SyntaxError} With `as: "json"`, if the answer is not JSON.
 * @throws {Deno.errors.BrokenPipe} If the server ended the connection without an answer, for example
 *   because its `authorize` refused this client.
 * @throws {Error} As for {@linkcode connect} and {@linkcode PipeConn.request}.
 *
 * @example One question
 * ```ts
 * import { call } from "@overlapped/named-pipe";
 *
 * console.log(await call("shout", "hello", { as: "text" }));
 * ```
 *
 * @example A server that speaks JSON, one line for each message
 * ```ts
 * import { call, lines } from "@overlapped/named-pipe";
 *
 * const question = JSON.stringify({ command: ["get_property", "volume"] });
 * console.log(await call("mpvsocket", question, { framing: lines(), as: "json" }));
 * ```
 */
export async function call<A extends As = "bytes">(
  path: string,
  message: Message,
  options: CallOptions<A> = {},
): Promise<Decoded<A>> {
  return await callOn(openLoop, path, message, options);
}

/** {@linkcode call} on any loop. */
export async function callOn<A extends As = "bytes">(
  open: OpenLoop,
  path: string,
  message: Message,
  options: CallOptions<A> = {},
): Promise<Decoded<A>> {
  const { bytes, settings } = oneMessage(path, message, options);
  const as = decodingOf<A>(options.as);
  const connection = await connectWith(open, settings);
  try {
    return await connection.request(bytes, { as, signal: settings.signal });
  } finally {
    await connection.release();
  }
}
