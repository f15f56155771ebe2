/**
 * Who a client is, as users of the server hold it.
 *
 * @module
 */

import { type IntegrityLevel, integrityLevel } from "../options/access.ts";
import { systemError } from "../kernel/errors.ts";
import type { Identified } from "../kernel/kernel.ts";
import { Status } from "../kernel/status.ts";
import { LazySignal } from "./lazy_signal.ts";
import type { ServerConnection } from "./connection.ts";
import { TOO_EARLY } from "./end_reasons.ts";

/** The user that a client runs as, by the token with which it sent its first request. */
export interface ClientUser {
  /** The security identifier, `S-1-…`. Decide by this: a name can pass to another user. */
  readonly sid: string;
  /**
   * How much Windows trusts the client's process: `"low"` and below are sandboxes, such as that of
   * a browser; `"medium"` is the usual level, `"high"` that of an elevated process.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/secauthz/mandatory-integrity-control}
   */
  readonly integrity: IntegrityLevel;
  /** Whether the client's process has the rights of an administrator. */
  readonly elevated: boolean;
}

/**
 * One connection of a client, from when it connects until it ends. All exchanges of the connection
 * have this same object, and no other connection ever has it: use it as the key for state per client.
 *
 * @example State per client
 * ```ts
 * import { type PipeClient, serve } from "@overlapped/named-pipe";
 *
 * const counts = new WeakMap<PipeClient, number>();
 * serve({ path: "counter" }, (_request, { client }) => {
 *   const count = (counts.get(client) ?? 0) + 1;
 *   counts.set(client, count);
 *   return `This is your request number ${count}`;
 * });
 * ```
 */
export interface PipeClient {
  /** The connection's number, counted from 1 per server. */
  readonly id: number;
  /**
   * The process at the other end, by `GetNamedPipeClientProcessId`; undefined if Windows does not
   * tell. For logs and statistics only: a client can fake it, and Windows reuses the number once the
   * process has ended. {@linkcode PipeClient.user} identifies the client.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   */
  readonly processId: number | undefined;
  /**
   * The session of that process, by `GetNamedPipeClientSessionId`; undefined if Windows
   * does not tell.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientsessionid}
   */
  readonly sessionId: number | undefined;
  /**
   * Aborts when the connection has ended, or nothing can be sent to the client any more. The reason
   * is a `Deno.errors.BrokenPipe` if the client disconnected, otherwise the error that
   * `onDisconnect` gets, or a `Deno.errors.Interrupted` if there is none.
   */
  readonly signal: AbortSignal;
  /**
   * Ends the connection. The client can still read messages that are already sent; one that it does
   * not read within {@linkcode ExchangesOptions.replyTimeout} is dropped. An open exchange is
   * aborted. Does nothing if the connection has ended already.
   */
  close(): void;
  /**
   * The user that the client runs as. The server asks Windows once, when the first request has been
   * read, so the answer never changes, and is available even after the connection has ended.
   *
   * To ask, the server impersonates the client for a moment, in which nothing else runs. If it
   * cannot return to its own identity, the process ends at once (exit code 0x40000015) instead of
   * continuing with the rights of the client.
   *
   * @throws {Deno.errors.NotFound} If the client disconnected without a request.
   * @throws {Deno.errors.NotSupported} If the server was started with `access: "system-default"`
   *   and without `authorize`: it does not open the library that is needed to ask.
   * @throws {WindowsError} If Windows cannot identify the client, for example because it connected
   *   with `SECURITY_ANONYMOUS`; `Deno.errors.PermissionDenied` or `Deno.errors.BrokenPipe` where
   *   these fit. Code 1368 also if a client whose identity is fixed when it connects (without
   *   `SECURITY_CONTEXT_TRACKING`) connected in the moment between the creation of an instance and
   *   its listening: Windows has forgotten the identity then, and the client may try again.
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-impersonatenamedpipeclient}
   */
  user(): ClientUser;
  /**
   * The name of the client's account, `DOMAIN\name`, for display. Decide by the SID instead.
   *
   * Windows may ask other machines for it. That happens on a thread of Deno's pool, for one name at
   * a time, and once per SID and server.
   *
   * @returns Rejects with what {@linkcode PipeClient.user} throws, with `Deno.errors.NotFound` if
   *   there is no name, with `Deno.errors.TimedOut` after 5,000 ms, and with
   *   `Deno.errors.Interrupted` when the server has ended.
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw}
   */
  accountName(): Promise<string>;
}

/** A connection, as the server keeps it. */
export class ServerClient implements PipeClient {
  readonly id: number;
  readonly processId: number | undefined;
  readonly sessionId: number | undefined;
  readonly #connection: ServerConnection;
  readonly #signal = new LazySignal();
  #closer: (() => void) | undefined = undefined;
  #identified: Identified | undefined = undefined;
  #user: ClientUser | undefined = undefined;

  constructor(
    id: number,
    connection: ServerConnection,
    { processId, sessionId }: { processId: number | undefined; sessionId: number | undefined },
  ) {
    this.id = id;
    this.processId = processId;
    this.sessionId = sessionId;
    this.#connection = connection;
  }

  get signal(): AbortSignal {
    return this.#signal.get();
  }

  get close(): () => void {
    return this.#closer ??= () => this.#connection.close();
  }

  get user(): () => ClientUser {
    return () => this.#user ??= this.#readUser();
  }

  get accountName(): () => Promise<string> {
    return async () => await this.#connection.context.accounts.of(this.user().sid);
  }

  /** What was found out about it, once and for all. */
  identify(identified: Identified): void {
    this.#identified = identified;
  }

  /**
   * Whether it cannot be identified because it connected between the creation of its instance and
   * the listen. Windows then forgets the identity that a client has from its opening alone.
   */
  get tooEarly(): boolean {
    return this.#connection.early && this.#identified?.status === Status.CANNOT_IMPERSONATE;
  }

  #readUser(): ClientUser {
    const { path, settings } = this.#connection.context;
    if (!settings.identifies) {
      throw new Deno.errors.NotSupported(
        `Cannot identify a client of "${path}": with access "system-default" this needs "authorize"`,
      );
    }
    if (this.#identified === undefined) {
      throw new Deno.errors.NotFound(`Cannot identify a client of "${path}": it sent no request`);
    }
    const { status, call, identity } = this.#identified;
    if (status !== Status.SUCCESS || identity === undefined) {
      const reason = this.tooEarly ? TOO_EARLY : undefined;
      throw systemError("Cannot identify a client of", call, path, status, reason);
    }
    const { sid, integrity, elevated } = identity;
    return Object.freeze({ sid, integrity: integrityLevel(integrity), elevated });
  }

  /** The client cannot be answered any more. Runs the user's abort listeners. */
  lose(reason: Error): void {
    this.#signal.abort(reason);
  }

  /** @internal */
  [Symbol.for("Deno.customInspect")](): string {
    return `PipeClient { id: ${this.id} }`;
  }
}
