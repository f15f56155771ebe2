/**
 * connect(): a client's connection.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { type ClientSettings, clientSettings } from "../options/client_settings.ts";
import { ClientConnection, type PipeConn } from "../pipe/connection.ts";
import { Attempt } from "./attempt.ts";

/** Options of {@linkcode call}. All are read once, at the call. */
export interface CallOptions {
  /**
   * Milliseconds that connecting may take: until there is a pipe, and a free instance. An integer
   * from 0, which tries once, or `Infinity`. The answer may take as long as it will: see `signal`.
   *
   * @default {5000}
   */
  timeout?: number | undefined;
  /**
   * What to do while there is no pipe of this name, or a part of the name is a pipe itself: wait for
   * it, or fail at once.
   *
   * @default {"wait"}
   */
  missing?: "wait" | "fail" | undefined;
  /**
   * The longest message that is taken from the server, in bytes, 0 to 2,147,483,647. A longer one
   * fails and closes the connection.
   *
   * @default {16777216}
   */
  maxMessage?: number | undefined;
  /**
   * Who must own the pipe: the user that this program runs as, or the one with this SID. Otherwise
   * connecting fails before a byte is sent: somebody else may have taken the name, to collect what
   * is meant for another.
   *
   * A server of this module is owned by the user that it runs as, unless its `access` is
   * `"system-default"`, or an `sddl` that names another owner or none. Without an owner, as with
   * servers of another make, an elevated process and a service of the system may be owned by the
   * group of administrators (`S-1-5-32-544`) instead.
   *
   * @default {undefined}
   */
  server?: "current-user" | { readonly sid: string } | undefined;
  /** Gives up when it aborts; the promise then rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** Options of {@linkcode connect}. */
export interface ConnectOptions extends CallOptions {
  /**
   * The name of the pipe, as for a server; `\\host\pipe\…` is a pipe of another machine. Opening
   * one of those holds the thread for as long as the network takes.
   */
  path: string;
}

/**
 * Connects to a named pipe as a client.
 *
 * The pipe is opened for reading and writing, and the server may learn who its client is but not
 * act as it (`SECURITY_IDENTIFICATION`). Messages need a message pipe: see {@linkcode PipeConn.type}.
 *
 * **Cancellation:** aborting `signal` gives up connecting. Once connected it has no effect.
 *
 * @param options The name, and what may be changed.
 * @returns The connection.
 * @throws {TypeError} If the name cannot be used or an option has a wrong type.
 * @throws {RangeError} If a number is out of its range.
 * @throws {Deno.errors.NotFound} If there was no pipe of this name, at once with `missing: "fail"`,
 *   else when the time ran out.
 * @throws {Deno.errors.TimedOut} If all instances were busy until the time ran out.
 * @throws {Deno.errors.BrokenPipe} If the server ended the connection while it was being set up.
 * @throws {Deno.errors.PermissionDenied} If the server does not admit this user, or is not the one
 *   that `server` asks for.
 * @throws {Deno.errors.NotSupported} If this is not Windows.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll`, to which `server` adds
 *   `,C:\Windows\System32\advapi32.dll`.
 * @throws {Deno.errors.Interrupted} If the program is unloaded meanwhile.
 * @throws {WindowsError} If a part of the name is a pipe itself, when the time ran out or with
 *   `missing: "fail"` at once, or if something else went wrong.
 * @throws {unknown} `signal.reason`, when `signal` aborts before it is connected.
 * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-client}
 *
 * @example Two requests over one connection
 * ```ts
 * import { connect } from "@overlapped/named-pipe";
 *
 * await using conn = await connect({ path: "shout" });
 * for (const word of ["hello", "world"]) {
 *   console.log(new TextDecoder().decode(await conn.request(word)));
 * }
 * ```
 */
export async function connect(options: ConnectOptions): Promise<PipeConn> {
  return await connectOn(openLoop, options);
}

/** {@linkcode connect} on any loop. */
export async function connectOn(
  open: OpenLoop,
  options: ConnectOptions,
): Promise<ClientConnection> {
  return await connectWith(open, clientSettings(options));
}

/** {@linkcode connectOn} with options that were read already. */
export async function connectWith(
  open: OpenLoop,
  settings: ClientSettings,
): Promise<ClientConnection> {
  const { signal } = settings;
  signal?.throwIfAborted();
  const loop = open(settings.path, settings.server !== undefined);
  const attempt = new Attempt(loop, settings);
  loop.enter(attempt);
  try {
    return new ClientConnection(loop, settings, await attempt.open(signal));
  } finally {
    // A connection has joined the loop by now; without one this waits for the end of the loop.
    await loop.leave(attempt);
  }
}
