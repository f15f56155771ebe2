/**
 * The options of a listener.
 *
 * @module
 */

import type { Framing } from "../options/framing.ts";
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
   * How messages are cut out of a stream of bytes, for example {@linkcode lines}. With it, `type` is
   * `"byte"` by default. On a message pipe, a frame may span several messages, and a message may hold
   * several frames. Streams, `read` and `write` do not use it.
   *
   * @default {undefined}
   */
  framing?: Framing | undefined;
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
