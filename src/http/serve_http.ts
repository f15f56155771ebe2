/**
 * serveHttp(): answers HTTP requests, in the shape of `Deno.serve`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { listenOn, type PipeListener } from "../listen/listen.ts";
import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { toDuplex } from "../node/duplex.ts";
import type { PipeSecurity } from "../options/access.ts";
import { requiredFunction } from "../options/checks.ts";
import type { ClientInfo } from "../server/client.ts";
import type { ShutdownReport } from "../server/tally.ts";
import { callHook, report } from "../server/user_code.ts";
import { HttpConnection } from "./connection.ts";
import { HttpExchange } from "./exchange.ts";
import { checkVersion } from "./supported.ts";
import {
  type HttpHandler,
  type HttpSettings,
  httpSettings,
  type ServeHttpOptions,
} from "./options.ts";

/** A server that {@linkcode serveHttp} started. `await using` shuts it down. */
export interface HttpServer extends AsyncDisposable {
  /** The full name of the pipe, `\\.\pipe\…`. */
  readonly path: string;
  /**
   * Who may open the pipe: what is in force, read back from Windows when the server began to
   * listen. Undefined if it never listened, because its signal was already aborted.
   */
  readonly security: PipeSecurity | undefined;
  /**
   * Resolves when the server has ended and everything is closed. Rejects if it cannot keep listening.
   * Never becomes an unhandled rejection.
   */
  readonly finished: Promise<void>;
  /** The clients that are connected now; with `authorize`, those that are admitted. */
  clients(): ClientInfo[];
  /**
   * Shuts the server down: it accepts no new clients, and closes each connection when its open
   * responses are written, until the timeout. A client that connected before and has sent nothing yet
   * is served its first request. A connection that was upgraded is not closed before the timeout,
   * but told by `duplex.conn.draining`.
   *
   * @param options `timeout`: milliseconds after which the remaining clients are disconnected, an
   *   integer from 0, or `Infinity`; 10,000 by default.
   * @returns The shutdown report, when everything is closed. A second call gets the same report, and
   *   its timeout has no effect. Rejects as {@linkcode HttpServer.finished} does, which never becomes an
   *   unhandled rejection.
   * @throws {TypeError} If the timeout is not a number.
   * @throws {RangeError} If the timeout is negative or not an integer.
   */
  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport>;
  /** Lets the server keep the program running, which is the default. */
  ref(): void;
  /**
   * Lets the program end although the server is listening. It goes on serving as long as something
   * else keeps the program running.
   */
  unref(): void;
}

/**
 * Listens on a named pipe and answers each HTTP request with a handler function.
 *
 * It is listening when this returns. Requests and responses are streams: of either, no more is held
 * than a few chunks. The protocol is that of `node:http` of Deno, 2.8 or newer: HTTP/1.1 and HTTP/1.0,
 * keep-alive, chunked bodies, `Expect: 100-continue`. Requests that servers may understand in
 * different ways are refused, such as those with two lengths, bad chunks or folded headers.
 *
 * `request.url` begins with `http://` and the host that the client names, or `localhost`.
 * `request.signal` aborts when the client has left before its response was written.
 *
 * A handler that throws is answered for by `onError`, or with the status 500; so is one whose response
 * cannot be sent, such as `Response.error()` or a body that is not as long as its `Content-Length`. If
 * that is found, or the body fails, when a part is sent already, the error is logged and the connection
 * closed, so that the client sees that it is not whole. `Transfer-Encoding` and `Trailer` of a response
 * are ignored.
 *
 * @param options The name of the pipe, and settings that have defaults.
 * @param handler Answers a request, and is told who asks.
 * @returns The server. It keeps the program running until it is shut down.
 * @throws {TypeError} If the name cannot be used, an option has a wrong type, or options contradict
 *   each other.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.NotSupported} If this is not Windows, or Deno is older than 2.8.
 * @throws {Deno.errors.NotCapable} Without the permissions of `listen`.
 * @throws {Deno.errors.AddrInUse} If a pipe of this name exists and `join` is not set, or it cannot be
 *   joined.
 * @throws {Deno.errors.PermissionDenied} If the name is not allowed, or `access.sddl` keeps this user
 *   from creating more than one instance.
 * @throws {Error} A `WindowsError`, if something else prevents listening.
 *
 * @example Who is asking
 * ```ts
 * import { serveHttp } from "@overlapped/named-pipe/http";
 *
 * serveHttp({ path: "web" }, (request, { client }) => {
 *   const { pathname } = new URL(request.url);
 *   return Response.json({ pathname, user: client.user().sid });
 * });
 * ```
 */
export function serveHttp(options: ServeHttpOptions, handler: HttpHandler): HttpServer {
  return serveHttpOn(openLoop, options, handler);
}

/** {@linkcode serveHttp} on a given loop. */
export function serveHttpOn(
  open: OpenLoop,
  options: ServeHttpOptions,
  handler: HttpHandler,
): HttpServer {
  checkVersion();
  const settings = httpSettings(options);
  requiredFunction(handler, "handler");
  const server = new ConnectionServer(settings, handler);
  const { type = "byte" } = options;
  const listener = listenOn(open, { ...options, type, direction: "both", framing: undefined });
  server.serve(listener);
  return new PipeHttpServer(listener);
}

class PipeHttpServer implements HttpServer {
  readonly path: string;
  readonly security: PipeSecurity | undefined;
  readonly finished: Promise<void>;
  readonly #listener: PipeListener;

  constructor(listener: PipeListener) {
    this.path = listener.path;
    this.security = listener.security;
    this.finished = listener.finished;
    this.#listener = listener;
  }

  clients(): ClientInfo[] {
    return this.#listener.clients();
  }

  shutdown(options?: { timeout?: number | undefined }): Promise<ShutdownReport> {
    return this.#listener.shutdown(options);
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** A server of `node:http` for connections that it is given. */
class ConnectionServer {
  readonly #settings: HttpSettings;
  readonly #handler: HttpHandler;
  readonly #server: http.Server;
  readonly #connections = new Map<unknown, HttpConnection>();

  constructor(settings: HttpSettings, handler: HttpHandler) {
    this.#settings = settings;
    this.#handler = handler;
    const { maxHeaderSize, keepAliveTimeout, onUpgrade } = settings;
    const server = http.createServer({ maxHeaderSize, requireHostHeader: false });
    // Else connections are closed after one answer.
    Object.defineProperty(server, "listening", { value: true });
    server.keepAliveTimeout = keepAliveTimeout === Infinity ? 0 : keepAliveTimeout;
    server.maxHeadersCount = 0;
    server.on("request", (incoming, outgoing) => this.#answer(incoming, outgoing));
    server.on("clientError", (error, socket) => {
      this.#connections.get(socket)?.refuse(statusOf(error));
    });
    if (onUpgrade !== undefined) server.on("upgrade", (...args) => this.#upgrade(...args));
    this.#server = server;
  }

  async serve(listener: PipeListener): Promise<void> {
    try {
      for await (const conn of listener) {
        const duplex = toDuplex(conn);
        this.#server.emit("connection", duplex);
        this.#connections.set(duplex, new HttpConnection(duplex, this.#settings));
        duplex.once("close", () => this.#connections.delete(duplex));
      }
    } catch {
      // `finished` tells it.
    }
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const connection = this.#connections.get(incoming.socket);
    if (connection === undefined) return void outgoing.destroy();
    // What follows a refused request may be a part of it.
    if (connection.ending) return;
    const client = connection.duplex.conn.peer;
    const exchange = new HttpExchange(incoming, outgoing, client, this.#settings);
    connection.begin(incoming, outgoing, (status) => exchange.refuse(status));
    exchange.answer(this.#handler).catch((error) => {
      // A mistake of this module costs one connection.
      report(error);
      outgoing.destroy();
    });
  }

  #upgrade(incoming: IncomingMessage, socket: unknown, head: Uint8Array): void {
    const connection = this.#connections.get(socket);
    connection?.release();
    const { onUpgrade } = this.#settings;
    if (connection === undefined || onUpgrade === undefined) return;
    const { duplex } = connection;
    const fail = (error: unknown) => {
      report(error);
      duplex.destroy();
    };
    callHook(fail, onUpgrade, incoming, duplex, Buffer.from(head));
  }
}

function statusOf(error: Error): number {
  return "code" in error && error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400;
}
