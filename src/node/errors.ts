/**
 * The errors of a stream: a connection's, with the codes that users of `node:net` look for.
 *
 * @module
 */

/** What a connection was doing. */
export type Action = "read" | "write";

/** An error as `node:net` has them. */
export interface CodedError extends Error {
  /** `EPIPE`, `ECONNRESET`, `ECONNABORTED`, `ETIMEDOUT`, `ENOBUFS`, `EBADMSG` or `EIO`. */
  readonly code: string;
  readonly syscall: Action;
}

/** A `TypeError` is a mistake of the program and stays as it is; any other error is the cause. */
export function streamError(cause: unknown, syscall: Action): Error {
  if (cause instanceof TypeError) return cause;
  const code = codeOf(cause, syscall);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error: CodedError = Object.assign(
    new Error(`${syscall} ${code}: ${reason}`, { cause }),
    { code, syscall },
  );
  return error;
}

function codeOf(error: unknown, action: Action): string {
  if (error instanceof Deno.errors.BrokenPipe) return action === "write" ? "EPIPE" : "ECONNRESET";
  if (error instanceof Deno.errors.Interrupted) return "ECONNABORTED";
  if (error instanceof Deno.errors.TimedOut) return "ETIMEDOUT";
  if (error instanceof Deno.errors.Busy) return "ENOBUFS";
  if (error instanceof Deno.errors.InvalidData) return "EBADMSG";
  return "EIO";
}
