/**
 * The errors with which connections end.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import type { Fault } from "../pipe/reader.ts";
import { LAST_WRITE_TIMEOUT } from "../pipe/write_queue.ts";
import type { ServerContext } from "./context.ts";

/** Why a client that connected before its instance listened cannot be identified. */
export const TOO_EARLY = "it connected before this instance listened, and may try again";

/** The error of a time limit. */
export function timedOut(
  { path, settings, sessions }: ServerContext,
  limit: "idleTimeout" | "writeTimeout" | "responderTimeout",
): Error {
  const what = {
    idleTimeout: sessions.answers ? "it sent no request" : "it sent nothing",
    writeTimeout: "it did not read a message",
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

/** The error of a client that the program refused. */
export function refused({ path }: ServerContext, cause: unknown, early: boolean): Error {
  const reason = early ? `, and cannot be identified: ${TOO_EARLY}` : "";
  return new Deno.errors.PermissionDenied(
    `Cannot admit a client of "${path}": it was not authorized${reason}`,
    { cause },
  );
}

/** The error of a message to a client that the program has not decided about. */
export function unadmitted({ path }: ServerContext): TypeError {
  return new TypeError(`Cannot send to a client of "${path}": it is not admitted yet`);
}

/** The error of `maxPerProcess`. */
export function tooMany({ path, settings }: ServerContext, process: number): Error {
  return new Deno.errors.Busy(
    `Cannot admit a client of "${path}": process ${process} has ${settings.maxPerProcess} ` +
      "connections already (maxPerProcess)",
  );
}

/** The error of a message that cannot be used, or of a failed read. */
export function readError(
  { path }: ServerContext,
  { call, status, reason, tooLong, cause }: Fault,
): Error {
  const action = `Cannot read from a client of "${path}"`;
  if (cause !== undefined) return new Deno.errors.InvalidData(`${action}: ${reason}`, { cause });
  if (reason !== undefined) {
    const limit = tooLong ? " (maxMessage)" : "";
    return new Deno.errors.InvalidData(`${action}: ${reason}${limit}`);
  }
  return systemError("Cannot read from a client of", call, path, status);
}

/** The error of a bug in this module. */
export function crash({ path }: ServerContext, cause: unknown): Error {
  return new Error(`Closed the connection of a client of "${path}": an internal error`, { cause });
}
