/**
 * The options of a server.
 *
 * @module
 */

import type { PipeAccess } from "../options/access.ts";
import type { Framing } from "../options/framing.ts";
import type { ServerSettings } from "../options/server_settings.ts";
import type { PipeClient } from "./client.ts";
import type { CloseReason } from "../pipe/close_reason.ts";

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
   * or a space: Windows drops these, and `..` would lead out of the pipes. While `app` is a pipe,
   * `app\control` cannot be created; the other way round, both can.
   *
   * The name must be free, unless `join` is set: the first instance is created with
   * `FILE_FLAG_FIRST_PIPE_INSTANCE`, so that the server never joins another program's pipe.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/pipe-names}
   */
  path: string;
  /**
   * How many instances listen at any time, 1 to 65,000. As clients connect, more are created; as
   * they disconnect, the number falls back, to twice as many at most. Clients of a larger burst get
   * `ERROR_PIPE_BUSY` and have to retry, as {@linkcode connect} and `WaitNamedPipe` do.
   *
   * @default {4}
   */
  instances?: number | undefined;
  /**
   * The most instances, and so clients, at a time: an integer from `instances`, so for fewer than 4
   * set `instances` too. Further clients get `ERROR_PIPE_BUSY` until one disconnects. Windows always
   * gets `PIPE_UNLIMITED_INSTANCES` as `nMaxInstances`; the server counts.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-instances}
   * @default {Infinity}
   */
  maxInstances?: number | undefined;
  /**
   * Bytes that Windows buffers of what each client has written and the server has not read, 0 to
   * 4,294,967,295: `nInBufferSize` of `CreateNamedPipeW`. A longer request still arrives whole, but
   * its client can withdraw it while it is being read. With `readBufferSize` at least `maxMessage`,
   * no request can be joined with what its client writes instead.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew}
   * @default {65536}
   */
  readBufferSize?: number | undefined;
  /**
   * Bytes that Windows buffers of what the server has written and each client has not read, 0 to
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
   * The longest request that is accepted, in bytes, 0 to 2,147,483,647. A client that sends a longer
   * one is disconnected, and none of it reaches the program. With `framing`, this is the length without
   * the frame, and a frame that is longer is refused before it is kept.
   *
   * @default {16777216}
   */
  maxMessage?: number | undefined;
  /**
   * How many bytes of requests the server holds for all clients together, from 1. A request counts
   * from when it is read until its exchange is settled. One that does not fit waits in its pipe until
   * others are answered. No client is disconnected for it; one that disconnects while it waits is
   * noticed when it is answered. A request longer than half of this is read when half is free, so
   * one request may exceed the limit. In addition, each client costs the memory of one read: 4,096
   * bytes, or the length of its recent messages, but no more than `readBufferSize`; with `framing`,
   * up to 65,536 bytes and the messages that were found in them, and one unfinished frame of up to
   * `maxMessage`. Replies are limited by `maxQueued`.
   *
   * A request that fits does not wait for one that does not, and none waits forever because others
   * fit: once as many bytes have passed the request that has waited longest as it needs, those that
   * still pass it hold no more than a quarter of this together. It is then read at the latest when
   * what was held before has come down to a quarter.
   *
   * @default {268435456}
   */
  maxBuffered?: number | undefined;
  /**
   * How many bytes of messages may wait for one client to read, replies and those that
   * {@linkcode PipeClient.send} sent, from 1, apart from what Windows buffers (`writeBufferSize`). A
   * client that is sent a message while more than that waits is disconnected, and what waits is
   * dropped. A single message may be longer, so a client that does not read costs at most this and one
   * message, and all clients together `maxInstances` times as much. Neither counts towards
   * `maxBuffered`: a client that does not read delays no other.
   *
   * {@linkcode Exchange.send} resolves when Windows has accepted its message: await it to send more
   * than this to one client. With an async generator that happens by itself.
   *
   * @default {16777216}
   */
  maxQueued?: number | undefined;
  /**
   * How many connections one process may have, from 1. Further ones are closed at once. Processes are
   * told apart by `GetNamedPipeClientProcessId`, which a malicious client can fake: this guards
   * against mistakes, not against attacks.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-getnamedpipeclientprocessid}
   * @default {Infinity}
   */
  maxPerProcess?: number | undefined;
  /**
   * Milliseconds, from 1, that a client may send no request before its connection is closed. The
   * time pauses while a request of the client is being answered, or the server is not reading. It
   * begins again when Windows has accepted a message that {@linkcode PipeClient.send} sent.
   *
   * @default {Infinity}
   */
  idleTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, that one message may wait for the client to read before the connection is
   * closed and the message is dropped. With `Infinity`, a connection that is to end anyway waits
   * 10,000 ms.
   *
   * A client that never reads, but whose replies fit into `writeBufferSize`, is not noticed by this:
   * only `idleTimeout` closes its connection. A message that cannot be written for so long because
   * the system is short of memory ends the connection with the reason `"error"`.
   *
   * @default {30000}
   */
  writeTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, that the program has to settle an exchange, from when it is delivered.
   * After that the exchange's signal aborts and the connection is closed. A responder that continues
   * nevertheless still counts towards {@linkcode ServeOptions.concurrency}. The same limit applies to
   * `authorize`.
   *
   * @default {Infinity}
   */
  responderTimeout?: number | undefined;
  /**
   * How requests are cut out of a stream of bytes, and how replies become part of one: for clients
   * that only know streams, for example with {@linkcode lines}. On a message pipe, a frame may span
   * several messages, and a message may hold several frames.
   *
   * Bytes that are no frame end the connection, once the requests before them are answered, with the
   * reason `"error"`; a request longer than `maxMessage` with that reason. A frame that the end of the
   * connection cuts off is an error too, and never a request. A reply that cannot be framed is thrown
   * by `reply` and `send`, and of a responder's result it is what the responder threw.
   *
   * @default {undefined}
   */
  framing?: Framing | undefined;
  /**
   * Who may open the pipe, see {@linkcode PipeAccess}: `lpSecurityAttributes` of
   * `CreateNamedPipeW`. {@linkcode PipeServer.security} shows what is in force.
   *
   * @default {"current-user"}
   */
  access?: PipeAccess | undefined;
  /**
   * Whether clients on other machines are accepted, within what `access` allows; otherwise all
   * instances are created with `PIPE_REJECT_REMOTE_CLIENTS`. Cannot be combined with
   * `access: "local-users"`.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-type-read-and-wait-modes}
   * @default {false}
   */
  remote?: boolean | undefined;
  /**
   * Whether Windows keeps messages apart (`PIPE_TYPE_MESSAGE`) or the pipe is a stream of bytes
   * (`PIPE_TYPE_BYTE`). A byte pipe has no messages, so none can be served on it as it is.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-type-read-and-wait-modes}
   * @default {"message"}
   */
  type?: "message" | "byte" | undefined;
  /**
   * Whether the server adds its instances to a name that is served already, by another process,
   * Worker or server of this program, if there is one; otherwise the name must be free. Windows
   * spreads clients over all instances of a name, and the name exists until its last server has
   * ended. So a program can use several threads, or be replaced without its clients noticing.
   *
   * The rights of the name remain those with which its first instance was created; `access` holds if
   * that is this server's. {@linkcode PipeServer.security} shows what is in force. Join only names
   * that nobody else can create: whoever has the name first decides who may open it.
   *
   * @default {false}
   */
  join?: boolean | undefined;
  /**
   * Whether the server measures how long requests take, for {@linkcode ServerStats.latency}. Costs
   * about a microsecond per request.
   *
   * @default {false}
   */
  measure?: boolean | undefined;
  /**
   * Called once per client, before its first request is delivered: when that has been read, or the
   * first 4,096 bytes of a longer one. The rest is not read, and no memory is allocated for it,
   * before the client is admitted. Decide by {@linkcode PipeClient.user}, for example. Returning
   * `false`, throwing and rejecting close the connection, and drop the request. Errors are logged
   * with `console.error`: the first one, then each time that there are ten times as many, and their
   * number when the server has ended. The same applies to the other hooks.
   *
   * Nothing is read meanwhile, so a client that disconnects is noticed when the decision is made.
   * {@linkcode ExchangesOptions.responderTimeout} limits the decision too.
   *
   * @param client The client to decide about.
   * @returns Whether the client is admitted.
   */
  authorize?: ((client: PipeClient) => boolean | Promise<boolean>) | undefined;
  /**
   * Aborting it stops the server at once: exchange signals abort, messages that Windows has accepted
   * stay readable for the clients, and everything is closed. A message that is being written may
   * take as long as when a loop over {@linkcode exchanges} is left. If it is aborted beforehand, the
   * server never listens.
   */
  signal?: AbortSignal | undefined;
  /**
   * Called once, when clients can connect. What it throws, or rejects with, is logged with
   * `console.error`.
   *
   * @param address The full name of the pipe.
   */
  onListen?: ((address: { path: string }) => void) | undefined;
  /**
   * Called once for each client, when it has connected; with `authorize`, when it is admitted. Its
   * first request is delivered after that, without waiting for a promise that this returns. What is
   * sent to the client here is the first that it receives: see {@linkcode PipeClient.send}. Not called
   * for clients that were refused, by `authorize` or `maxPerProcess`. What it throws, or rejects with,
   * is logged with `console.error`.
   *
   * @param client The client that has connected.
   */
  onConnect?: ((client: PipeClient) => void) | undefined;
  /**
   * Called once at the end of every connection, also of clients that were refused, and never before
   * `onConnect`. The last request of the client was delivered by then; a responder may still be working
   * on it. What it throws, or rejects with, is logged with `console.error`.
   *
   * @param client The client whose connection has ended.
   * @param reason Why it ended.
   * @param error The error, if there was one.
   */
  onDisconnect?:
    | ((client: PipeClient, reason: CloseReason, error?: unknown) => void)
    | undefined;
}
