/**
 * A client of a server, and the user it runs as.
 *
 * @module
 */

import { type IntegrityLevel, integrityLevel } from "../options/access.ts";
import { systemError } from "../kernel/errors.ts";
import { Status } from "../kernel/status.ts";
import type { Message } from "../pipe/message.ts";
import { Executable } from "../pipe/executable.ts";
import type { PipePeer } from "../pipe/peer.ts";
import { LazySignal } from "./lazy_signal.ts";
import type { ServerConnection } from "./connection.ts";
import { TOO_EARLY } from "./end_reasons.ts";

/** The user that a client runs as, according to the token with which it sent its first request. */
export interface ClientUser {
  /** The security identifier, `S-1-…`. Decide by it: a name can be reassigned, a SID cannot. */
  readonly sid: string;
  /**
   * How much Windows trusts the client's process: `"low"` and below are sandboxes, such as a
   * browser's; `"medium"` is the usual level, `"high"` that of an elevated process.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/secauthz/mandatory-integrity-control}
   */
  readonly integrity: IntegrityLevel;
  /** Whether the client's process has administrator rights. */
  readonly elevated: boolean;
}

/**
 * A client of a server: one connection of it. No other connection has the same object.
 *
 * Windows is asked about a client when the program gets this object, since most programs never want to
 * know; what it tells then stays known, also after the connection has ended. Loops, listeners and hooks
 * get every client. A responder gets it with {@linkcode Exchange.client}, `clients()` those that are
 * connected. Whoever takes `exchange.client` only when the responder is done and the connection has
 * ended is too late.
 */
export interface ClientInfo extends PipePeer {
  /** The number of the connection, counted from 1 per server. */
  readonly id: number;
  /**
   * The id of the client's process, from `GetNamedPipeClientProcessId`; undefined if Windows does
   * not report it, or it is asked too late. For logs and statistics only: a client can forge it, and
   * Windows reuses the id once the process has ended. It does not identify the client:
   * {@linkcode ClientInfo.user} does.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   */
  readonly processId: number | undefined;
  /**
   * The session of that process, from `GetNamedPipeClientSessionId`; undefined if Windows does not
   * report it, or it is asked too late.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientsessionid}
   */
  readonly sessionId: number | undefined;
  /**
   * Aborts when the connection has ended, or nothing can be sent to the client any more. The
   * reason is a `Deno.errors.BrokenPipe` if the client disconnected, otherwise the error that
   * `onDisconnect` gets if there is one, otherwise a `Deno.errors.Interrupted`.
   */
  readonly signal: AbortSignal;
  /**
   * The user that the client runs as: the one with whose token it has sent the first request, or the
   * first data with `framing`. The result never changes, even after the connection has ended.
   *
   * The server impersonates the client just long enough to open its token, after reading that
   * request, and nothing else runs meanwhile. If it cannot revert to its own identity, the process
   * ends at once (exit code 0x40000015) rather than continue as another user.
   *
   * @throws {Deno.errors.NotFound} If the client has sent nothing yet, or disconnected before it did; or
   *   if the program has got this object too late.
   * @throws {Deno.errors.NotSupported} If the server was started with `access: "system-default"`
   *   and without `authorize`, and so without the means to identify clients.
   * @throws {WindowsError} If Windows does not identify the client, for example one that connected
   *   with `SECURITY_ANONYMOUS`; `Deno.errors.PermissionDenied` or `Deno.errors.BrokenPipe` where
   *   these fit. Code 1368 also if the client connected between the creation of an instance and its
   *   listening, with an identity that is fixed when the pipe is opened (without
   *   `SECURITY_CONTEXT_TRACKING`): Windows then loses that identity, and the client may try again.
   *   With code 1450 or another shortage of Windows, without `authorize`: ask again before the
   *   connection ends.
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-impersonatenamedpipeclient}
   */
  user(): ClientUser;
  /**
   * The name of the client's account, `DOMAIN\name`. For display only: decide by the SID.
   *
   * Windows may have to ask other machines. The lookup runs on a thread of Deno's pool, one name at
   * a time, and once per SID and server.
   *
   * @returns The name. Rejects with what {@linkcode ClientInfo.user} throws, with
   *   `Deno.errors.NotFound` if there is no name, with `Deno.errors.TimedOut` after 5,000 ms, and
   *   with `Deno.errors.Interrupted` when the server has ended.
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw}
   */
  accountName(): Promise<string>;
}

/**
 * A client of {@linkcode serve} or {@linkcode exchanges}: one connection of it. All exchanges of a
 * connection have the same object, and no other connection has it: use it as the key for what you
 * store per client.
 *
 * All members work when destructured.
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
 *
 * @example A message to all clients
 * ```ts
 * import { serve } from "@overlapped/named-pipe";
 *
 * const server = serve({ path: "clock" }, () => {});
 * setInterval(() => {
 *   for (const client of server.clients()) client.send(new Date().toISOString());
 * }, 1_000);
 * ```
 */
export interface PipeClient extends ClientInfo {
  /**
   * Bytes of messages to the client, replies included, that Windows has not accepted: see
   * {@linkcode ExchangesOptions.maxQueued}.
   */
  readonly queued: number;
  /**
   * Sends one message, at any time while the client is connected: after everything that is queued
   * already, and between the messages of an exchange if one is open.
   *
   * Clients that use [`TransactNamedPipe`](https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-transactnamedpipe)
   * or [`CallNamedPipe`](https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-callnamedpipea)
   * take exactly one message per request, and this one for the reply: never send to them. The same
   * holds for {@linkcode call} and {@linkcode PipeConn.request}, which take the next message that
   * arrives. A client that is sent to has to tell replies from other messages.
   *
   * If more than {@linkcode ExchangesOptions.maxQueued} waits for the client to read already, its
   * connection is closed instead.
   *
   * @param message A string is sent as UTF-8. May be empty. The bytes are copied at the call.
   * @returns Resolves when Windows has accepted the message, which does not mean that the client has
   *   read it. Rejects with `Deno.errors.BrokenPipe` if the client disconnected, with the limit's
   *   error if a limit ended the connection, with `Deno.errors.Interrupted` if the server ended it.
   *   Never becomes an unhandled rejection.
   * @throws {TypeError} If the message has a wrong type or cannot be framed, or the client is not
   *   admitted yet by `authorize`.
   * @throws {RangeError} If the message is longer than 2,147,483,647 bytes, or too long for its frame.
   */
  send(message: Message): Promise<void>;
  /**
   * Closes the connection. Messages already sent stay readable for the client; one that it does
   * not read within {@linkcode ExchangesOptions.writeTimeout} is dropped. An open exchange is
   * aborted. Does nothing if the connection has already ended.
   */
  close(): void;
}

/** Sends messages to one client, while it is connected. */
export interface ClientSender {
  /** See {@linkcode PipeClient.send}. */
  send(message: Message): Promise<void>;
}

/** The server's own {@linkcode PipeClient}. */
export class ServerClient implements PipeClient {
  readonly id: number;
  readonly #connection: ServerConnection;
  #executable: Executable | undefined = undefined;
  readonly #signal = new LazySignal();
  /** Sends to this client only, also when its connection has ended. */
  sender: ClientSender | undefined = undefined;
  #closer: (() => void) | undefined = undefined;
  #user: ClientUser | undefined = undefined;

  constructor(id: number, connection: ServerConnection) {
    this.id = id;
    this.#connection = connection;
  }

  get processId(): number | undefined {
    return this.#connection.facts.processId;
  }

  get sessionId(): number | undefined {
    return this.#connection.facts.sessionId;
  }

  get signal(): AbortSignal {
    return this.#signal.get();
  }

  get queued(): number {
    return this.#connection.queue.queued(Infinity);
  }

  get send(): (message: Message) => Promise<void> {
    return (message) => {
      if (this.sender !== undefined) return this.sender.send(message);
      throw new TypeError("Cannot send to a client of a listener: use its connection");
    };
  }

  get close(): () => void {
    return this.#closer ??= () => this.#connection.close();
  }

  get executable(): () => string | undefined {
    return () => {
      const { loop, since } = this.#connection;
      this.#executable ??= new Executable(loop, this.processId, since);
      return this.#executable.path;
    };
  }

  get user(): () => ClientUser {
    return () => this.#user ??= this.#readUser();
  }

  get accountName(): () => Promise<string> {
    return async () => await this.#connection.context.accounts.of(this.user().sid);
  }

  /** The program gets it: from now on everything is known, also after its end. */
  show(): void {
    this.#connection.facts.show();
  }

  /**
   * Whether the client cannot be identified because it connected between the creation of its
   * instance and the listen. Windows then loses an identity that is fixed when the pipe is opened.
   */
  get tooEarly(): boolean {
    const { early, facts: { identified } } = this.#connection;
    return early && identified?.status === Status.CANNOT_IMPERSONATE;
  }

  #readUser(): ClientUser {
    const { context: { path, settings }, facts } = this.#connection;
    if (!settings.identifies) {
      throw new Deno.errors.NotSupported(
        `Cannot identify a client of "${path}": with access "system-default" this needs "authorize"`,
      );
    }
    const { identified } = facts;
    if (identified === undefined) {
      const why = facts.missed
        ? "its connection has ended, and nobody had asked for it before"
        : "it has sent nothing";
      throw new Deno.errors.NotFound(`Cannot identify a client of "${path}": ${why}`);
    }
    const { status, call, identity } = identified;
    if (status !== Status.SUCCESS || identity === undefined) {
      const reason = this.tooEarly ? TOO_EARLY : undefined;
      throw systemError("Cannot identify a client of", call, path, status, reason);
    }
    const { sid, integrity, elevated } = identity;
    return Object.freeze({ sid, integrity: integrityLevel(integrity), elevated });
  }

  /** Nothing can be sent to the client any more. Runs the user's abort listeners. */
  abort(reason: () => Error): void {
    this.#signal.abort(reason);
  }

  /** @internal */
  [Symbol.for("Deno.customInspect")](): string {
    return `PipeClient { id: ${this.id} }`;
  }
}
