/**
 * connect() and call(): the message client.
 *
 * @module
 */

import { Backoff } from "../loop/backoff.ts";
import { isBelowPipe, systemError, timedOut } from "../kernel/errors.ts";
import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { type Handle, isEnd, isShortage, Status } from "../kernel/kernel.ts";
import { encodeMessage, type Message } from "../pipe/message.ts";
import { callSettings, type ClientSettings, clientSettings } from "../options/options.ts";
import { ClientConnection, type OpenPipe, type PipeConn } from "../pipe/connection.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";

/** The longest pause between two attempts to open a pipe, in milliseconds. */
const LONGEST_PAUSE = 50;

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

/**
 * Asks a server one thing: connects, sends one request, takes one message as the answer, closes.
 *
 * **Cancellation:** aborting `signal` gives up, whatever is going on, and closes.
 *
 * @param path The name of the pipe, as for {@linkcode connect}.
 * @param message The request. A string is sent as UTF-8.
 * @param options What may be changed.
 * @returns The answer.
 * @throws {TypeError} If the name cannot be used, an option or the message has a wrong type, or it is
 *   a byte pipe, which has no messages.
 * @throws {Deno.errors.BrokenPipe} If the server ended the connection without an answer.
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

/** {@linkcode connect} on any loop. */
export async function connectOn(
  open: OpenLoop,
  options: ConnectOptions,
): Promise<ClientConnection> {
  return await connectWith(open, clientSettings(options));
}

async function connectWith(open: OpenLoop, settings: ClientSettings): Promise<ClientConnection> {
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

/** {@linkcode call} on any loop. */
export async function callOn(
  open: OpenLoop,
  path: string,
  message: Message,
  options: CallOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  // A copy, since connecting takes time and the memory is the user's.
  const bytes = encodeMessage(message).slice();
  const settings = callSettings(path, options);
  const connection = await connectWith(open, settings);
  try {
    return await connection.request(bytes, settings);
  } finally {
    await connection.closed();
  }
}

/** Why a pipe that was opened cannot be used. */
type Refusal = { readonly status: number; readonly call: string };

/** How an attempt went: the pipe is open with SUCCESS. */
type Attempted = Refusal & OpenPipe;

/** One attempt after the other, with pauses, until a pipe is open or there is no hope. */
class Attempt implements LoopUser {
  readonly #loop: WaitLoop;
  readonly #settings: ClientSettings;
  #giveUp: ((error: unknown) => void) | undefined = undefined;
  #failure: Error | undefined = undefined;

  constructor(loop: WaitLoop, settings: ClientSettings) {
    this.#loop = loop;
    this.#settings = settings;
  }

  async open(signal: AbortSignal | undefined): Promise<OpenPipe> {
    const { kernel } = this.#loop;
    const owner = this.#expectedOwner();
    const deadline = kernel.now() + this.#settings.timeout;
    for (const backoff = new Backoff(LONGEST_PAUSE);;) {
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const { status, call, handle, type } = this.#openOnce(owner);
      if (status === Status.SUCCESS) return { handle, type };
      const left = deadline - kernel.now();
      if (!this.#passes(status) || left <= 0) throw this.#error(call, status);
      await this.#pause(Math.min(backoff.next(), left), signal);
    }
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#fail(systemError("Cannot connect to", call, this.#settings.path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#fail(
      new Deno.errors.Interrupted(
        `Cannot connect to "${this.#settings.path}": the program is being unloaded`,
      ),
    );
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#giveUp?.(error);
  }

  #openOnce(owner: string | undefined): Attempted {
    const { kernel } = this.#loop;
    const { status, handle } = kernel.open(this.#settings.path);
    const opened = { status, call: "CreateFileW", handle, type: "message" } as const;
    if (status !== Status.SUCCESS) return opened;
    const unowned = owner === undefined ? undefined : this.#checkOwner(handle, owner);
    // Without this, messages that wait to be read run together.
    const kept = unowned === undefined ? kernel.keepMessages(handle) : Status.SUCCESS;
    // A byte pipe cannot keep messages apart.
    if (kept === Status.INVALID_PARAMETER) return { ...opened, type: "byte" };
    const refusal = unowned ??
      (kept === Status.SUCCESS ? undefined : { status: kept, call: "SetNamedPipeHandleState" });
    if (refusal === undefined) return opened;
    kernel.close(handle);
    if (refusal instanceof Error) throw refusal;
    return { ...opened, ...refusal };
  }

  /** The SID of who must own the pipe. */
  #expectedOwner(): string | undefined {
    const { server, path } = this.#settings;
    if (server !== "current-user") return server?.sid;
    const { status, call, text } = this.#loop.kernel.ownUser();
    if (status === Status.SUCCESS) return text;
    throw systemError("Cannot determine the current user for", call, path, status);
  }

  /** Who makes a pipe cannot give it to another user: only a very privileged program can. */
  #checkOwner(handle: Handle, expected: string): Refusal | Error | undefined {
    const { status, call, text } = this.#loop.kernel.owner(handle);
    if (status !== Status.SUCCESS) return { status, call };
    if (text === expected) return undefined;
    return new Deno.errors.PermissionDenied(
      `Cannot connect to "${this.#settings.path}": it is owned by ${text}, and not by ${expected}`,
    );
  }

  /** Whether it is worth another attempt: also when the server ended the connection at once. */
  #passes(status: number): boolean {
    const { path, missing } = this.#settings;
    return status === Status.BUSY || isShortage(status) || isEnd(status) ||
      missing === "wait" && (status === Status.NOT_FOUND || isBelowPipe(status, path));
  }

  #error(call: string, status: number): Error {
    const { path } = this.#settings;
    return status === Status.BUSY
      ? timedOut("Cannot connect to", call, path, status)
      : systemError("Cannot connect to", call, path, status);
  }

  #pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { kernel } = this.#loop;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = kernel.startTimer(Math.ceil(milliseconds), resolve);
    const abort = () => this.#giveUp?.(signal?.reason);
    this.#giveUp = (error) => {
      kernel.stopTimer(timer);
      reject(error);
    };
    signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }
}
