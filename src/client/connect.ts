/**
 * connect(): a client's connection.
 *
 * @module
 */

import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { type ClientSettings, clientSettings } from "../options/client_settings.ts";
import type { Framing } from "../options/framing.ts";
import type { PipeConn } from "../pipe/pipe_conn.ts";
import type { PipeHost } from "./host.ts";
import { type ClientConnection, PipeOpener } from "./pipe_opener.ts";

/**
 * Options of {@linkcode notify}, and of everything else that connects as a client. All are read once,
 * at the call.
 */
export interface ClientOptions {
  /**
   * Milliseconds that connecting may take, until the pipe exists and an instance is free. An integer
   * from 0, which tries once, or `Infinity`. The answer has no time limit: use `signal`.
   *
   * @default {5000}
   */
  connectTimeout?: number | undefined;
  /**
   * What to do while there is no pipe of this name, or a part of the name is a pipe itself: wait, or
   * fail at once.
   *
   * @default {"wait"}
   */
  missing?: "wait" | "fail" | undefined;
  /**
   * The longest message that is accepted from the server, in bytes, 0 to 2,147,483,647. A longer one
   * is an error, and closes the connection.
   *
   * @default {16777216}
   */
  maxMessage?: number | undefined;
  /**
   * Who must own the pipe: the user running this program, or the user with this SID. Otherwise
   * connecting fails before a byte is sent, since another program may have taken the name to
   * capture what is meant for the real server.
   *
   * The pipe of a server of this module is owned by the user running it, unless its `access` is
   * `"system-default"`, or an `sddl` that names another owner or none. Where no owner is named, as
   * with other servers, the pipe of an elevated process or of a system service may be owned by the
   * group of administrators (`S-1-5-32-544`) instead.
   *
   * @default {undefined}
   */
  owner?: "current-user" | { readonly sid: string } | undefined;
  /**
   * How messages are cut out of a stream of bytes, for example {@linkcode lines}. A byte pipe needs it
   * to send and receive messages; on a message pipe, a frame may span several messages, and a message
   * may hold several frames. Streams, `read` and `write` do not use it.
   *
   * @default {undefined}
   */
  framing?: Framing | undefined;
  /**
   * What the server may do with the identity of this program: nothing, not even learn it
   * (`"anonymous"`), learn it, act with its rights on this machine (`"impersonation"`), or on other
   * machines too (`"delegation"`). Give the last two only to a server that you trust, which `owner`
   * checks only after the pipe was opened. The security quality of service of `CreateFileW`:
   * `SECURITY_ANONYMOUS` to `SECURITY_DELEGATION`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/secauthz/impersonation-levels}
   * @default {"identification"}
   */
  impersonation?: "anonymous" | "identification" | "impersonation" | "delegation" | undefined;
  /** Aborting it cancels the call, which rejects with the reason of the signal. */
  signal?: AbortSignal | undefined;
}

/** Options of {@linkcode connect}. All are read once, at the call. */
export interface ConnectOptions extends ClientOptions {
  /**
   * Whether the ends can end one direction alone. With `"empty-message"`, an empty message says that
   * no more follow, as with go-winio and Docker: {@linkcode PipeConn.closeWrite} sends one, one that
   * arrives ends reading, and none can be sent otherwise. Needs a message pipe.
   *
   * @default {"none"}
   */
  halfClose?: "none" | "empty-message" | undefined;
  /**
   * Milliseconds, from 1, that one write may wait for the server to read, before the connection is
   * closed and what is queued is dropped. With `Infinity`, `await using` waits 10,000 ms.
   *
   * @default {Infinity}
   */
  writeTimeout?: number | undefined;
  /**
   * The name of the pipe, as for a server; `\\host\pipe\…` is a pipe on another machine. Opening
   * one of those blocks the thread for as long as the network takes.
   */
  path: string;
  /**
   * What this end does: read, write, or both. Must be one that the pipe allows, which is all of them
   * unless the pipe itself goes in one direction only. `GENERIC_READ` (with `FILE_WRITE_ATTRIBUTES`,
   * which reading single messages needs) and `GENERIC_WRITE` of `CreateFileW`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-open-modes}
   * @default {"both"}
   */
  direction?: "both" | "read" | "write" | undefined;
}

/**
 * Connects to a named pipe as a client.
 *
 * Unless `impersonation` says otherwise, the server can identify its client, but not impersonate it
 * (`SECURITY_IDENTIFICATION`). Messages need a message pipe: see {@linkcode PipeConn.type}.
 *
 * **Cancellation:** aborting `signal` gives up connecting. Once connected it has no effect.
 *
 * @param options The name of the pipe, and settings that have defaults.
 * @returns The connection.
 * @throws {TypeError} If the name cannot be used or an option has a wrong type.
 * @throws {RangeError} If a number is out of its range.
 * @throws {Deno.errors.NotFound} If there is no pipe of this name: at once with `missing: "fail"`,
 *   otherwise when the time has run out.
 * @throws {Deno.errors.TimedOut} If all instances are busy until the time has run out.
 * @throws {Deno.errors.BrokenPipe} If the server ended the connection while it was being set up.
 * @throws {Deno.errors.PermissionDenied} If the access rights of the pipe do not admit this user, the
 *   pipe does not go in the direction that `direction` asks for, or its owner is not the one that
 *   `owner` asks for. A client that the server's `authorize` refuses gets `Deno.errors.BrokenPipe`
 *   instead, from its first request.
 * @throws {Deno.errors.NotSupported} If this is not Windows, or with `halfClose` on a byte pipe.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi`, or
 *   `--allow-ffi=C:\Windows\System32\kernel32.dll`, to which `owner` adds
 *   `,C:\Windows\System32\advapi32.dll`.
 * @throws {Deno.errors.Interrupted} If the program is being unloaded.
 * @throws {WindowsError} If a part of the name is a pipe itself, at once with `missing: "fail"`,
 *   otherwise when the time has run out, or if something else went wrong.
 * @throws {unknown} `signal.reason`, when `signal` aborts before it is connected.
 * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-client}
 *
 * @example Two requests over one connection
 * ```ts
 * import { connect } from "@overlapped/named-pipe";
 *
 * await using conn = await connect({ path: "shout" });
 * for (const word of ["hello", "world"]) {
 *   console.log(await conn.request(word, { as: "text" })); // HELLO, then WORLD
 * }
 * ```
 */
export async function connect(options: ConnectOptions): Promise<PipeConn<PipeHost>> {
  return await connectOn(openLoop, options);
}

/** {@linkcode connect} on any loop. */
export async function connectOn(
  open: OpenLoop,
  options: ConnectOptions,
): Promise<ClientConnection> {
  return await connectWith(open, clientSettings(options));
}

/** {@linkcode connectOn} with options that were already checked. */
export async function connectWith(
  open: OpenLoop,
  settings: ClientSettings,
): Promise<ClientConnection> {
  const { signal } = settings;
  signal?.throwIfAborted();
  const loop = open(settings.path, settings.owner !== undefined);
  const opener = new PipeOpener(loop, settings, open);
  loop.enter(opener);
  try {
    return await opener.open(signal);
  } finally {
    // The connection has entered the loop by now; without one, this waits until the loop has ended.
    await loop.leave(opener);
  }
}
