/**
 * Why connections end, in the words and errors that users see.
 *
 * @module
 */

import { systemError } from "../errors.ts";
import { Status } from "../kernel.ts";
import type { Fault } from "../message_reader.ts";
import { LAST_WRITE_TIMEOUT, type ServerSettings } from "../options.ts";

/**
 * Why a connection ended.
 *
 * - `"client"`: the client left.
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
 * - `"responderTimeout"`: an exchange was not settled within
 *   {@linkcode ExchangesOptions.responderTimeout}.
 * - `"unauthorized"`: {@linkcode ExchangesOptions.authorize} did not let it in.
 * - `"error"`: a call to Windows failed, or what the client sent cannot be used.
 *
 * For `"error"`, `"unauthorized"` and all limits, the hook gets an error that says more.
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
  | "responderTimeout"
  | "unauthorized"
  | "error";

type TimeLimit = "idleTimeout" | "replyTimeout" | "responderTimeout";

function timedOut({ path, settings }: Host, limit: TimeLimit): Error {
  const what = {
    idleTimeout: "it sent no request",
    replyTimeout: "it did not read its reply",
    responderTimeout: "its request was not answered",
  };
  const time = settings[limit] === Infinity ? LAST_WRITE_TIMEOUT : settings[limit];
  return new Deno.errors.TimedOut(
    `Cannot go on with a client of "${path}": ${what[limit]} within ${time} ms (${limit})`,
  );
}

function refused({ path }: Host, cause: unknown): Error {
  return new Deno.errors.PermissionDenied(
    `Cannot admit a client of "${path}": it was not authorized`,
    { cause },
  );
}

function tooMany({ path, settings }: Host, process: number): Error {
  return new Deno.errors.Busy(
    `Cannot admit a client of "${path}": process ${process} has ${settings.maxPerProcess} ` +
      "connections already (maxPerProcess)",
  );
}

function readError(path: string, { call, status, reason, tooLong }: Fault): Error {
  if (reason !== undefined) {
    const limit = tooLong ? " (maxRequest)" : "";
    return new Deno.errors.InvalidData(`Cannot read from a client of "${path}": ${reason}${limit}`);
  }
  return systemError("Cannot read from a client of", call, path, status);
}
