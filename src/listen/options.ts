/**
 * The options of a listener.
 *
 * @module
 */

import type { ListenSettings } from "../options/listen_settings.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import type { ClientInfo } from "../server/client.ts";
import type { ExchangesOptions } from "../server/options.ts";

/** A listener's options, checked and complete. */
export type ListenerOptions = ListenSettings<ListenOptions>;

/**
 * Options of {@linkcode listen}. All are read once, at the call. Those that are not described here
 * mean the same as in {@linkcode ExchangesOptions}.
 */
export interface ListenOptions
  extends Omit<ExchangesOptions, "authorize" | "onDisconnect" | "onConnect" | "responderTimeout"> {
  /**
   * The direction of the pipe, from this end: `"read"` (`PIPE_ACCESS_INBOUND`) to receive only,
   * `"write"` (`PIPE_ACCESS_OUTBOUND`) to send only, `"both"` (`PIPE_ACCESS_DUPLEX`).
   *
   * @see {@link https://learn.microsoft.com/windows/win32/api/namedpipeapi/nf-namedpipeapi-createnamedpipew}
   * @default {"both"}
   */
  direction?: "both" | "read" | "write" | undefined;
  /**
   * Whether Windows keeps messages apart (`PIPE_TYPE_MESSAGE`) or the pipe is a stream of bytes
   * (`PIPE_TYPE_BYTE`), as most clients expect that know no messages.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/ipc/named-pipe-type-read-and-wait-modes}
   * @default {"message"}, and "byte" with `framing`
   */
  type?: "message" | "byte" | undefined;
  /**
   * The longest message that is accepted, in bytes, 0 to 2,147,483,647. A longer one ends its
   * connection, and none of it reaches the program. Does not limit what streams and `read` receive on
   * a byte pipe.
   *
   * @default {16777216}
   */
  maxMessage?: number | undefined;
  /**
   * How many bytes of messages of all clients together the listener holds until the program receives
   * them, from 1. A message that fits into one read counts only then. A longer one that does not fit
   * waits in its pipe until others are received; its client is not disconnected for it. One message
   * may exceed the limit.
   *
   * @default {268435456}
   */
  maxBuffered?: number | undefined;
  /**
   * Whether the ends can end one direction alone. With `"empty-message"`, an empty message says that
   * no more follow, as with go-winio and Docker: {@linkcode PipeConn.closeWrite} sends one, one that
   * arrives ends reading, and none can be sent otherwise. Needs a message pipe.
   *
   * @default {"none"}
   */
  halfClose?: "none" | "empty-message" | undefined;
  /**
   * Milliseconds, from 1, that a client may neither send anything nor take anything that it was sent,
   * before its connection is closed. The time pauses while a message waits for the program, but not
   * while `authorize` decides.
   *
   * @default {Infinity}
   */
  idleTimeout?: number | undefined;
  /**
   * Called once per client, when its first data has arrived: until then, Windows does not identify a
   * client. Only an admitted client's connection is accepted; nothing else of it is read before that,
   * and nothing can be sent to it. Returning `false`, throwing and rejecting close the connection.
   * Cannot be combined with `direction: "write"`.
   *
   * @param client The client to decide about, for example by {@linkcode ClientInfo.user}.
   * @returns Whether the client is admitted.
   */
  authorize?: ((client: ClientInfo) => boolean | Promise<boolean>) | undefined;
  /**
   * Called once at the end of every connection, of refused clients too. What it throws is logged with
   * `console.error`.
   *
   * @param client The client whose connection has ended.
   * @param reason Why it ended.
   * @param error The error, if there was one.
   */
  onDisconnect?:
    | ((client: ClientInfo, reason: CloseReason, error?: unknown) => void)
    | undefined;
}
