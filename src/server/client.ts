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
  /** The security identifier, `S-1-…`: what to decide by. Names can change hands, these cannot. */
  readonly sid: string;
  /**
   * How much Windows trusts the client's process: `"low"` and below are sandboxes, such as that of
   * a browser; `"medium"` is the usual one, `"high"` that of an elevated process.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/secauthz/mandatory-integrity-control}
   */
  readonly integrity: IntegrityLevel;
  /** Whether the client's process has the rights of an administrator. */
  readonly elevated: boolean;
}

/**
 * One connection of a client, from its coming to its leaving. The same object for all of its
 * exchanges, and never that of another connection: the key for what you keep per client.
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
   * tell. For logs and statistics: a client can fool it, and Windows gives the number to another
   * process once this one has ended. It says nothing about who the client is:
   * {@linkcode PipeClient.user} does.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   */
  readonly processId: number | undefined;
  /**
   * The session of that process, by `GetNamedPipeClientSessionId`; undefined if not told.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientsessionid}
   */
  readonly sessionId: number | undefined;
  /**
   * Aborts when the connection has ended, or nothing can be sent to the client any more. The
   * reason is a `Deno.errors.BrokenPipe` if the client left, the error that `onDisconnect` gets if
   * there is one, else a `Deno.errors.Interrupted`.
   */
  readonly signal: AbortSignal;
  /**
   * Ends the connection, for good. Messages that are already sent stay readable for the client; one
   * that it does not take within {@linkcode ExchangesOptions.replyTimeout} is dropped. An open
   * exchange is settled as lost. Harmless when the connection has ended already.
   */
  close(): void;
  /**
   * The user that the client runs as. Windows was asked once, when the first request had been read,
   * so that the answer is the same ever after, also when the connection has ended.
   *
   * The server takes the client's identity for the moment in which it asks, and nothing else runs
   * meanwhile. If it could not get back to its own, the process ends at once (exit code
   * 0x40000015), rather than go on as somebody else.
   *
   * @throws {Deno.errors.NotFound} If the client has left without a request.
   * @throws {Deno.errors.NotSupported} If the server was started with `access: "system-default"`
   *   and without `authorize`, and so without what is needed to ask.
   * @throws {WindowsError} If Windows does not tell, for example of a client that connected with
   *   `SECURITY_ANONYMOUS`; `Deno.errors.PermissionDenied` or `Deno.errors.BrokenPipe` where these
   *   fit. Code 1368 also if the client connected in the moment between the creation of an instance
   *   and its listening, with an identity that is fixed at the opening (without
   *   `SECURITY_CONTEXT_TRACKING`): Windows has forgotten it then, and the client may try again.
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-impersonatenamedpipeclient}
   */
  user(): ClientUser;
  /**
   * The name of the client's account, `DOMAIN\name`. For people to read: decide by the SID.
   *
   * Windows may ask other machines for it, on a thread of Deno's pool, one name at a time and once
   * per SID and server.
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
