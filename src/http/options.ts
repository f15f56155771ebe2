/**
 * The options of an HTTP server.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { ListenOptions } from "../listen/options.ts";
import type { PipeDuplex } from "../node/pipe_duplex.ts";
import { checkOptions, integer, limit, optionalFunction } from "../options/checks.ts";
import type { ClientInfo } from "../server/client.ts";

/** What a handler is told besides the request. */
export interface HttpInfo {
  /** Who is asking, as Windows reports it: `client.user()`, `client.processId` and others. */
  readonly client: ClientInfo;
  /**
   * Resolves when Windows has accepted the whole response. Rejects if the connection ended before
   * that was known, or the body of the response failed. Never becomes an unhandled rejection.
   */
  readonly completed: Promise<void>;
}

/** Answers a request. */
export type HttpHandler = (request: Request, info: HttpInfo) => Response | Promise<Response>;

/**
 * Options of {@linkcode serveHttp}. All are read once, at the call. Those that are not described here
 * mean the same as in `ListenOptions` of `@overlapped/named-pipe`.
 */
export interface ServeHttpOptions extends Omit<ListenOptions, "direction" | "framing"> {
  /**
   * Whether the pipe is a stream of bytes or keeps messages apart, which HTTP does not need. Only a
   * message pipe can have `halfClose`.
   *
   * @default {"byte"}
   */
  type?: "message" | "byte" | undefined;
  /**
   * Called with what a handler threw or rejected with; gives the response. Without this hook, or if
   * it throws too, the error is logged with `console.error`, and the response has the status 500.
   *
   * @param error What was thrown.
   */
  onError?: ((error: unknown) => Response | Promise<Response>) | undefined;
  /**
   * Called with a request to change the protocol, such as to WebSocket, with the arguments of the
   * event `"upgrade"` of a `node:http` server. The stream belongs to this function. Without it, such
   * requests get to the handler as any other. What it throws is logged with `console.error`, and closes
   * the connection.
   *
   * @param request The request, as `node:http` has it.
   * @param duplex The connection, over which nothing has been answered yet.
   * @param head What has arrived already of the new protocol.
   */
  onUpgrade?:
    | ((
      request: IncomingMessage,
      duplex: PipeDuplex<ClientInfo>,
      head: Buffer,
    ) => void | Promise<void>)
    | undefined;
  /**
   * The longest head of a request, in bytes, from 1. A longer one is refused with the status 431.
   *
   * @default {16384}
   */
  maxHeaderSize?: number | undefined;
  /**
   * The longest body of a request, in bytes, from 1, or `Infinity`. A longer one is refused with the
   * status 413: before the handler is called if the request tells its length, else by an error of
   * `request.body`.
   *
   * @default {Infinity}
   */
  maxBodySize?: number | undefined;
  /**
   * Milliseconds, from 1, or `Infinity`, that the head of a request may take: of the first one from
   * when the client connects, of others from their first byte. The status is 408 then.
   *
   * @default {60000}
   */
  headersTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, or `Infinity`, that the body of a request may take to arrive. The status
   * is 408 then, and `request.body` fails.
   *
   * @default {300000}
   */
  requestTimeout?: number | undefined;
  /**
   * Milliseconds, from 1, or `Infinity`, that a client may wait between a response and its next
   * request, before the connection is closed.
   *
   * @default {60000}
   */
  keepAliveTimeout?: number | undefined;
}

/** Every option that only an HTTP server has. */
const CHECKS = {
  onError: optionalFunction,
  onUpgrade: optionalFunction,
  maxHeaderSize: integer(1, 0x7fff_ffff, 16_384),
  maxBodySize: limit(),
  headersTimeout: limit(60_000),
  requestTimeout: limit(300_000),
  keepAliveTimeout: limit(60_000),
};

/** An HTTP server's own options, checked and complete. */
export type HttpSettings = Readonly<
  & Required<
    Pick<
      { [K in keyof ServeHttpOptions]: Exclude<ServeHttpOptions[K], undefined> },
      "maxHeaderSize" | "maxBodySize" | "headersTimeout" | "requestTimeout" | "keepAliveTimeout"
    >
  >
  & { [K in "onError" | "onUpgrade"]: ServeHttpOptions[K] | undefined }
>;

/**
 * Reads an HTTP server's own options, each once, checks them and fills in the defaults.
 *
 * @throws {TypeError} If one has a wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function httpSettings(options: ServeHttpOptions): HttpSettings {
  return checkOptions(options, CHECKS);
}
