/**
 * The options of a server.
 *
 * @module
 */

import type { PipeAccess } from "../options/access.ts";
import type { ServerSettings } from "../options/server_settings.ts";
import type { PipeClient } from "./client.ts";
import type { DisconnectReason } from "./end_reasons.ts";

/** A server's options, checked and complete. */
export type ServerOptions = ServerSettings<ExchangesOptions>;

/** Options of {@linkcode exchanges} and {@linkcode serve}. All are read once, at the call. */
export interface ExchangesOptions {
  /**
   * The name of the pipe. A name without a leading slash or backslash (`\` is allowed inside, `/`
   * is not) becomes `\\.\pipe\name`, and so do its other spellings: `\\.\pipe\name`,
   * `\\?\pipe\name`, `//./pipe/name`, `//?/pipe/name` and `npipe:////./pipe/name`, the prefix in
   * any case, and with slashes inside the name too where the prefix has them. At most 256 characters
   * in all. Names are not case-sensitive, and keep their case. No part of a name can end with a dot
   * or a space: Windows leaves these out, and `..` would lead out of the pipes. While `app` is a
   * pipe, `app\control` cannot become one; the other way round both can.
   *
   * The name must be free: the first instance is created with `FILE_FLAG_FIRST_PIPE_INSTANCE`, so
   * that nobody else's pipe is joined.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/pipe-names}
   */
  path: string;
  /**
   * How many instances always listen, 1 to 65,000. As clients come, more are created; as they
   * leave, the number falls back. Clients that come in a greater burst get `ERROR_PIPE_BUSY` and
   * have to try again, as {@linkcode connect} and `WaitNamedPipe` do.
   *
   * @default {4}
   */
  instances?: number | undefined;
  /**
   * How many instances, and so clients, there are at most: an integer from `instances`, so that
   * for fewer than 4 `instances` has to be set too. Further clients get `ERROR_PIPE_BUSY` until one
   * leaves. Windows is always given `PIPE_UNLIMITED_INSTANCES` as `nMaxInstances`, and the server
   * counts.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-instances}
   * @default {Infinity}
   */
  maxInstances?: number | undefined;
  /**
   * Bytes that Windows holds for each client of what it wrote and the server has not read, 0 to
   * 4,294,967,295: `nInBufferSize` of `CreateNamedPipeW`. A longer request arrives all the same, in
   * one piece, but its client can withdraw it while it is being read: with as much as `maxRequest`,
   * no request can be joined to what its client writes instead.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew}
   * @default {65536}
   */
  readBufferSize?: number | undefined;
  /**
   * Bytes that Windows holds for each client of what the server wrote and it has not read, 0 to
   * 4,294,967,295: `nOutBufferSize` of `CreateNamedPipeW`. A longer reply stays pending until it is
   * read.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew}
   * @default {65536}
   */
  writeBufferSize?: number | undefined;
  /**
   * Milliseconds that a client's `WaitNamedPipe` with `NMPWAIT_USE_DEFAULT_WAIT` waits, 1 to
   * 4,294,967,294: `nDefaultTimeOut` of `CreateNamedPipeW`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-waitnamedpipew}
   * @default {5000}
   */
  waitTimeout?: number | undefined;
  /**
   * The longest request that is taken, in bytes, 0 to 2,147,483,647. A client that sends a longer
   * one is disconnected, and nothing of it reaches the program.
   *
   * @default {16777216}
   */
  maxRequest?: number | undefined;
  /**
   * How many bytes of requests the server holds for all clients together, from 1: from when they
   * are read until their exchanges are settled. A request that does not fit waits in its pipe until
   * others are answered; nobody is disconnected, and a client that leaves meanwhile is noticed when
   * it is answered. A request that is longer than half of this is taken when half is left, so one
   * may go beyond the bound. Besides this, each client costs the memory of one read: 4,096 bytes, or
   * as much as its last messages were long, but no more than `readBufferSize`. Replies are bounded
   * by `maxQueued`.
   *
   * A request that fits does not wait for one that does not, and none waits for ever because others
   * fit: once requests of as many bytes as the one that has waited longest needs have passed it,
   * those that pass it hold no more than a quarter of this together. It is then taken at the
   * latest when what was held before has come down to a quarter.
   *
   * @default {268435456}
   */
  maxBuffered?: number | undefined;
  /**
   * How many bytes of messages may wait for one client to read, from 1, apart from what Windows
   * buffers (`writeBufferSize`). A client that is given a message while more than that waits is
   * disconnected, and what waits is dropped. One message alone may be longer, so a client that does
   * not read costs at most this and one message, and all clients together `maxInstances` times as
   * much. Neither counts in `maxBuffered`: a client that does not read keeps nobody else waiting.
   *
   * {@linkcode Exchange.send} resolves when its message has been taken: await it to send more than
   * this to one client. An async generator does so by itself.
   *
   * @default {16777216}
   */
  maxQueued?: number | undefined;
  /**
   * How many connections one process may have, from 1. Further ones are ended at once. Counted by
   * `GetNamedPipeClientProcessId`, which a malicious client can fool: a guard against mistakes, not
   * against attacks.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   * @default {Infinity}
   */
  maxPerProcess?: number | undefined;
  /**
   * Milliseconds, from 1, that a client may send no request before its connection is ended. The
   * time stands still while a request of it is being answered, or the server itself does not read.
   *
   * @default {Infinity}
   */
  idleTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, that one message may wait for the client to read before the connection is
   * ended and the message is dropped. With `Infinity`, a connection that is to end anyway waits for
   * 10,000 ms.
   *
   * A client that never reads, but whose replies fit into `writeBufferSize`, goes unnoticed here:
   * only `idleTimeout` ends its connection. A message that cannot be written for so long because
   * the system is short of memory ends the connection with the reason `"error"`.
   *
   * @default {30000}
   */
  replyTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, from the moment when the program gets an exchange until it must have
   * settled it. Otherwise the exchange's signal aborts and the connection is ended. A responder
   * that goes on all the same keeps its place in {@linkcode ServeOptions.concurrency}. The same
   * time is given to `authorize`.
   *
   * @default {Infinity}
   */
  responderTimeout?: number | undefined;
  /**
   * Who may open the pipe. See {@linkcode PipeAccess}; `lpSecurityAttributes` of
   * `CreateNamedPipeW`. What is in force can be read in {@linkcode PipeServer.security}.
   *
   * @default {"current-user"}
   */
  access?: PipeAccess | undefined;
  /**
   * Whether clients of other machines are taken, within what `access` allows; otherwise all
   * instances are created with `PIPE_REJECT_REMOTE_CLIENTS`. Refused together with
   * `access: "local-users"`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-type-read-and-wait-modes}
   * @default {false}
   */
  remote?: boolean | undefined;
  /**
   * Is called once per client, before its first request is delivered: when that has been read, or
   * the first 4,096 bytes of a longer one. The rest is not read, and no memory is allocated for it,
   * before the client is admitted. Decide by {@linkcode PipeClient.user}, for example. `false`, a
   * throw and a rejection end the connection, and the request with it. What is thrown is reported on
   * the console: the first time at once, then when the same has come ten times as often, and when
   * the server has ended, how often that was. The same holds for `onDisconnect`.
   *
   * Nothing is read meanwhile, so a client that leaves is noticed when the decision has been made.
   * {@linkcode ExchangesOptions.responderTimeout} holds for the decision too.
   *
   * @param client The connection to decide about.
   * @returns Whether the client is let in.
   */
  authorize?: ((client: PipeClient) => boolean | Promise<boolean>) | undefined;
  /**
   * Stops the server at once when it aborts: exchange signals abort, what Windows has taken stays
   * readable for the clients, everything is closed. What is being written may take as long as when
   * a loop over {@linkcode exchanges} is left. Aborted beforehand: the server never listens.
   */
  signal?: AbortSignal | undefined;
  /**
   * Is called once, when clients can connect. What it throws is reported on the console.
   *
   * @param address The full name of the pipe.
   */
  onListen?: ((address: { path: string }) => void) | undefined;
  /**
   * Is called once at the end of every connection, after its last request was handed out. What it
   * throws is reported on the console.
   *
   * @param client The connection that has ended.
   * @param reason Why it ended.
   * @param error The error, where there was one.
   */
  onDisconnect?:
    | ((client: PipeClient, reason: DisconnectReason, error?: unknown) => void)
    | undefined;
}
