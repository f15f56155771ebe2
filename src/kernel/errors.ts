/**
 * The errors that users catch, made from the status of a call.
 *
 * @module
 */

import type { PipeType } from "./kernel.ts";

/** Names in the Windows headers, and short texts, of the codes that pipe functions return. */
const SYSTEM_ERRORS: ReadonlyMap<number, readonly [symbol: string, text: string]> = new Map([
  [2, ["ERROR_FILE_NOT_FOUND", "there is no pipe of this name"]],
  [3, ["ERROR_PATH_NOT_FOUND", "there is no such path"]],
  [5, ["ERROR_ACCESS_DENIED", "access is denied"]],
  [6, ["ERROR_INVALID_HANDLE", "the handle is invalid"]],
  [8, ["ERROR_NOT_ENOUGH_MEMORY", "there is not enough memory"]],
  [53, ["ERROR_BAD_NETPATH", "the network path was not found"]],
  [66, ["ERROR_BAD_DEV_TYPE", "the resource is of the wrong type"]],
  [87, ["ERROR_INVALID_PARAMETER", "a parameter is invalid"]],
  [109, ["ERROR_BROKEN_PIPE", "the other end was closed"]],
  [121, ["ERROR_SEM_TIMEOUT", "the operation timed out"]],
  [122, ["ERROR_INSUFFICIENT_BUFFER", "the result does not fit into the buffer"]],
  [123, ["ERROR_INVALID_NAME", "the name is malformed"]],
  [230, ["ERROR_BAD_PIPE", "the pipe is in the wrong state"]],
  [231, ["ERROR_PIPE_BUSY", "all instances are busy"]],
  [232, ["ERROR_NO_DATA", "the other end is closing"]],
  [233, ["ERROR_PIPE_NOT_CONNECTED", "no process is at the other end"]],
  [234, ["ERROR_MORE_DATA", "the message is longer than expected"]],
  [535, ["ERROR_PIPE_CONNECTED", "a client is already connected"]],
  [536, ["ERROR_PIPE_LISTENING", "no client is connected yet"]],
  [995, ["ERROR_OPERATION_ABORTED", "the operation was cancelled"]],
  [1336, ["ERROR_INVALID_ACL", "the access control list is invalid"]],
  [1337, ["ERROR_INVALID_SID", "the SID is invalid"]],
  [1338, ["ERROR_INVALID_SECURITY_DESCR", "the security descriptor is invalid"]],
  [1347, ["ERROR_CANT_OPEN_ANONYMOUS", "the client is anonymous"]],
  [1368, ["ERROR_CANNOT_IMPERSONATE", "the client does not allow identification"]],
  [1450, ["ERROR_NO_SYSTEM_RESOURCES", "there are not enough system resources"]],
  [1784, ["ERROR_INVALID_USER_BUFFER", "the buffer cannot be used"]],
  [1816, ["ERROR_NOT_ENOUGH_QUOTA", "the quota is used up"]],
]);

/** The details of a {@linkcode WindowsError}. */
export interface WindowsErrorInit {
  /** The code that `GetLastError` returned; 0 if Windows gave no reason. */
  code: number;
  /** The Windows function that failed, for example `CreateNamedPipeW`. */
  call: string;
  /** The full name of the pipe. */
  path: string;
}

/**
 * A failed call to Windows.
 *
 * It is the `cause` of an error of the matching `Deno.errors` class, and is thrown itself if no
 * class matches.
 *
 * @see {@link https://learn.microsoft.com/windows/win32/debug/system-error-codes}
 *
 * @example The Windows error behind an error
 * ```ts
 * import { call, WindowsError } from "@overlapped/named-pipe";
 *
 * try {
 *   await call("nobody-listens-here", "hello", { missing: "fail" });
 * } catch (error) {
 *   if (error instanceof Error && error.cause instanceof WindowsError) {
 *     console.log(error.cause.symbol); // ERROR_FILE_NOT_FOUND
 *   }
 * }
 * ```
 */
export class WindowsError extends Error {
  /** The code that `GetLastError` returned; 0 if Windows gave no reason. */
  readonly code: number;
  /** The code's name in the Windows headers, such as `ERROR_PIPE_BUSY`; `ERROR_n` if rare. */
  readonly symbol: string;
  /** The Windows function that failed, for example `CreateNamedPipeW`. */
  readonly call: string;
  /** The full name of the pipe. */
  readonly path: string;

  /**
   * Creates the error of a failed call.
   *
   * @param action What failed, for example `Cannot listen on`.
   * @param init The code, the function and the pipe.
   * @param reason Why, if the code alone does not say it.
   */
  constructor(action: string, init: WindowsErrorInit, reason?: string) {
    super(describe(action, init, reason));
    this.name = "WindowsError";
    this.code = init.code;
    this.symbol = SYSTEM_ERRORS.get(init.code)?.[0] ?? `ERROR_${init.code}`;
    this.call = init.call;
    this.path = init.path;
  }
}

/**
 * Whether a name cannot be used because a part of it is a pipe: while a pipe `app` exists, Windows
 * looks for `app\control` inside that pipe.
 */
export function isBelowPipe(code: number, path: string): boolean {
  return code === 123 && /\\pipe\\.+\\/i.test(path);
}

function describe(action: string, { code, call, path }: WindowsErrorInit, text?: string): string {
  const below = isBelowPipe(code, path) ? "a part of the name is a pipe itself" : undefined;
  const reason = text ?? below ?? SYSTEM_ERRORS.get(code)?.[1] ??
    (code > 0 ? "the system refused it" : "the system gave no reason");
  return `${action} "${path}": ${reason} (${call}, error ${code})`;
}

function errorClass(code: number): (new (message: string, options: ErrorOptions) => Error) | null {
  switch (code) {
    case 2:
      return Deno.errors.NotFound;
    case 5:
      return Deno.errors.PermissionDenied;
    case 231:
      return Deno.errors.Busy;
    case 109:
    case 232:
    case 233:
      return Deno.errors.BrokenPipe;
    default:
      return null;
  }
}

/** The error of a failed call: of the matching `Deno.errors` class, or the WindowsError itself. */
export function systemError(
  action: string,
  call: string,
  path: string,
  status: number,
  reason?: string,
): Error {
  const init = { code: Math.max(0, status), call, path };
  const cause = new WindowsError(action, init, reason);
  const Class = errorClass(init.code);
  return Class === null ? cause : new Class(cause.message, { cause });
}

/**
 * The error of a name that another server has. It names the process, if that is known.
 *
 * @param why What is said of that server, if it is not that it has the name.
 */
export function nameTaken(
  call: string,
  path: string,
  status: number,
  process: number | undefined,
  why = "has the name",
): Error {
  const action = "Cannot listen on";
  const init = { code: Math.max(0, status), call, path };
  const holder = process === undefined ? "another server" : `process ${process}`;
  return new Deno.errors.AddrInUse(describe(action, init, `${holder} ${why}`), {
    cause: new WindowsError(action, init),
  });
}

/** The error of a name that is served, as a pipe of another type. */
export function otherType(path: string, type: PipeType): Error {
  return new Deno.errors.AddrInUse(
    `Cannot listen on "${path}": it is already served as a ${type} pipe`,
  );
}

/** The error of a wait that timed out, with what it waited for. */
export function timedOut(action: string, call: string, path: string, status: number): Error {
  const cause = new WindowsError(action, { code: status, call, path });
  return new Deno.errors.TimedOut(`${cause.message}, and the time ran out`, { cause });
}
