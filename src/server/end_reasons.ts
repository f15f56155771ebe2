/**
 * Why connections end, in the words and errors that users see.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import type { Fault } from "../pipe/message_reader.ts";
import { LAST_WRITE_TIMEOUT } from "../options/server_settings.ts";
import type { ServerContext } from "./context.ts";

/**
 * Why a connection ended.
 *
 * - `"client"`: the client disconnected.
 * - `"responder"`: the program ended it, with {@linkcode PipeClient.close} or by an error that was
 *   thrown while answering.
 * - `"server"`: the server was stopped at once: its `signal` was aborted, or the loop over its
 *   exchanges was left.
 * - `"shutdown"`: the server was shut down.
 * - `"maxRequest"`: a request was longer than {@linkcode ExchangesOptions.maxRequest}.
 * - `"maxPerProcess"`: its process had as many connections as
 *   {@linkcode ExchangesOptions.maxPerProcess} allows.
 * - `"idleTimeout"`: no request came within {@linkcode ExchangesOptions.idleTimeout}.
 * - `"replyTimeout"`: a message stayed unread for {@linkcode ExchangesOptions.replyTimeout}.
 * - `"maxQueued"`: the client was sent a message while more than
 *   {@linkcode ExchangesOptions.maxQueued} bytes waited for it to read.
 * - `"responderTimeout"`: an exchange was not settled within
 *   {@linkcode ExchangesOptions.responderTimeout}.
 * - `"unauthorized"`: {@linkcode ExchangesOptions.authorize} refused the client.
 * - `"error"`: a call to Windows failed, or what the client sent cannot be used.
 *
 * For `"error"`, `"unauthorized"` and all limits, `onDisconnect` also gets an error with the details.
 */
export type DisconnectReason =
  | "client"
  | "responder"
  | "server"
  | "shutdown"
  | "maxRequest"
  | "maxPerProcess"
  | "idleTimeout"
  | "replyTimeout"
  | "maxQueued"
  | "responderTimeout"
  | "unauthorized"
  | "error";

/** Why a client that was there before its instance listened cannot be identified. */
export const TOO_EARLY = "it connected before this instance listened, and may try again";

/** The error of a time limit. */
export function timedOut(
  { path, settings }: ServerContext,
  limit: "idleTimeout" | "replyTimeout" | "responderTimeout",
): Error {
  const what = {
    idleTimeout: "it sent no request",
    replyTimeout: "it did not read its reply",
    responderTimeout: "its request was not answered",
  };
  const time = settings[limit] === Infinity ? LAST_WRITE_TIMEOUT : settings[limit];
  return new Deno.errors.TimedOut(
    `Closed the connection of a client of "${path}": ${what[limit]} within ${time} ms (${limit})`,
  );
}

/** The error of `maxQueued`. */
export function unread({ path }: ServerContext, queued: number): Error {
  return new Deno.errors.Busy(
    `Closed the connection of a client of "${path}": ${queued} bytes wait for it to read ` +
      "(maxQueued)",
  );
}

/** The error of a client that the program does not let in. */
export function refused({ path }: ServerContext, cause: unknown, early: boolean): Error {
  const reason = early ? `, and cannot be identified: ${TOO_EARLY}` : "";
  return new Deno.errors.PermissionDenied(
    `Cannot admit a client of "${path}": it was not authorized${reason}`,
    { cause },
  );
}

/** The error of `maxPerProcess`. */
export function tooMany({ path, settings }: ServerContext, process: number): Error {
  return new Deno.errors.Busy(
    `Cannot admit a client of "${path}": process ${process} has ${settings.maxPerProcess} ` +
      "connections already (maxPerProcess)",
  );
}

/** The error of what a client sent and cannot be used. */
export function readError(
  { path }: ServerContext,
  { call, status, reason, tooLong }: Fault,
): Error {
  if (reason !== undefined) {
    const limit = tooLong ? " (maxRequest)" : "";
    return new Deno.errors.InvalidData(`Cannot read from a client of "${path}": ${reason}${limit}`);
  }
  return systemError("Cannot read from a client of", call, path, status);
}

/** The error of a mistake of this module. */
export function crash({ path }: ServerContext, cause: unknown): Error {
  return new Error(`Closed the connection of a client of "${path}": an internal error`, { cause });
}
