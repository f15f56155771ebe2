/**
 * httpClient(): asks HTTP servers on named pipes, in the shape of `fetch`.
 *
 * @module
 */

import http from "node:http";
import { connectOn, type ConnectOptions } from "../client/connect.ts";
import type { PipeHost } from "../client/host.ts";
import { type OpenLoop, openLoop } from "../loop/isolate.ts";
import { toDuplex } from "../node/duplex.ts";
import type { PipeDuplex } from "../node/pipe_duplex.ts";
import { checkOptions, integer, limit } from "../options/checks.ts";
import { clientSettings } from "../options/client_settings.ts";
import { type Answer, ask, type Asked, asked } from "./ask.ts";
import { Slots } from "./slots.ts";
import { checkVersion } from "./supported.ts";
import { readableOf, streamsOf } from "./streams.ts";

/**
 * Options of {@linkcode httpClient}. All are read once, at the call. Those that are not described here
 * mean the same as in `ConnectOptions` of `@overlapped/named-pipe`.
 */
export interface HttpClientOptions
  extends Omit<ConnectOptions, "direction" | "framing" | "maxMessage" | "signal"> {
  /**
   * How many connections there may be at once, from 1, without those that were upgraded. Further
   * requests wait for one.
   *
   * @default {16}
   */
  maxConnections?: number | undefined;
  /**
   * Milliseconds, from 1, or `Infinity`, that a connection is kept for the next request. It is closed
   * earlier if the server says by `Keep-Alive` that it will.
   *
   * @default {4000}
   */
  keepAliveTimeout?: number | undefined;
}

/** The answer to {@linkcode HttpClient.upgrade}. */
export interface HttpUpgrade {
  /** 101 if the protocol has changed. */
  readonly status: number;
  /** The headers of the answer. */
  readonly headers: Headers;
  /** What the server sends: with another status than 101, the body of the answer. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * What the server is sent. Closing it closes the connection, or with `halfClose` this direction of
   * it. With another status than 101 it is closed already.
   */
  readonly writable: WritableStream<Uint8Array>;
}

/** A client of an HTTP server, which keeps its connections. */
export interface HttpClient extends Disposable {
  /**
   * Asks, as the global `fetch` does. The body of the request and that of the response are streams, of
   * which no more is held than a few chunks. A connection is used by the next request when the body of
   * the response was read or cancelled.
   *
   * Differences: the connection is always to the pipe, whatever the URL says. Redirects are not
   * followed, nothing is cached, and no bodies are decompressed: none are asked for.
   *
   * A request without a body whose method is `GET`, `HEAD` or `OPTIONS` is sent once more if the server
   * has just closed the connection that was kept.
   *
   * **Cancellation:** aborting `signal` closes the connection of this request, and rejects with the
   * reason of the signal; after that, the body of the response fails with it.
   *
   * @param input A URL with `http:`, or a path that begins with a slash, or a request.
   * @param init Method, headers, body and signal, as for `fetch`.
   * @returns The response, when its head has arrived.
   * @throws {TypeError} If an argument cannot be used, the client is closed, the connection ends before
   *   the response, this is no HTTP, or its status is none of 200 to 599; in the last three cases with
   *   the error as `cause`.
   * @throws {Error} What `connect` of `@overlapped/named-pipe` throws.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /**
   * Asks to change the protocol, on a connection of its own, which is the caller's from then on.
   *
   * **Cancellation:** aborting `signal` ends the request; once the server has answered it has no effect.
   *
   * @param input As for {@linkcode HttpClient.fetch}.
   * @param init As for {@linkcode HttpClient.fetch}. The header `Upgrade` names the protocol, `tcp` by
   *   default; `Connection: Upgrade` is added.
   * @returns The answer, which may also be a refusal: see `status`.
   * @throws {TypeError} As for {@linkcode HttpClient.fetch}.
   * @throws {Error} What `connect` of `@overlapped/named-pipe` throws.
   */
  upgrade(input: string | URL | Request, init?: RequestInit): Promise<HttpUpgrade>;
  /**
   * Closes all connections but those that were upgraded: what is being asked fails. Twice is harmless.
   */
  close(): void;
}

/** Every option that only an HTTP client has. */
const CHECKS = {
  maxConnections: integer(1, Number.MAX_SAFE_INTEGER, 16),
  keepAliveTimeout: limit(4_000),
};

/**
 * Makes a client of an HTTP server on a named pipe. It connects when it is used.
 *
 * Connections that are kept do not keep the program running. The protocol is that of `node:http` of
 * Deno.
 *
 * @param options The name of the pipe, and settings that have defaults.
 * @returns The client.
 * @throws {TypeError} If the name cannot be used or an option has a wrong type.
 * @throws {RangeError} If a number is out of its range.
 * @throws {Deno.errors.NotSupported} If Deno is older than 2.8.
 *
 * @example The version of Docker
 * ```ts
 * import { httpClient } from "@overlapped/named-pipe/http";
 *
 * using docker = httpClient({ path: "docker_engine" });
 * const response = await docker.fetch("/version");
 * console.log((await response.json()).Version);
 * ```
 */
export function httpClient(options: HttpClientOptions): HttpClient {
  return httpClientOn(openLoop, options);
}

/** {@linkcode httpClient} on a given loop. */
export function httpClientOn(open: OpenLoop, options: HttpClientOptions): HttpClient {
  checkVersion();
  return new Client(open, options);
}

type Connected = (error: Error | null, duplex?: PipeDuplex<PipeHost>) => void;

class Client implements HttpClient {
  readonly #connect: (signal?: AbortSignal) => Promise<PipeDuplex<PipeHost>>;
  readonly #agent: http.Agent;
  /** The agent's own bound does not count connections that are being made. */
  readonly #slots: Slots;
  readonly #closing = new AbortController();

  constructor(open: OpenLoop, options: HttpClientOptions) {
    const { maxConnections, keepAliveTimeout } = checkOptions(options, CHECKS);
    const { path, connectTimeout, missing, owner, impersonation, halfClose, writeTimeout } =
      clientSettings(options);
    const settings = {
      path,
      connectTimeout,
      missing,
      owner,
      impersonation,
      halfClose,
      writeTimeout,
    };
    this.#connect = async (signal) => toDuplex(await connectOn(open, { ...settings, signal }));
    this.#slots = new Slots(maxConnections);
    this.#agent = new http.Agent({
      keepAlive: true,
      maxFreeSockets: maxConnections,
      ...(keepAliveTimeout === Infinity ? {} : { timeout: keepAliveTimeout }),
    });
    const createConnection = (_options: unknown, callback: Connected) => {
      this.#connect(this.#closing.signal).then(
        (duplex) => {
          if (!this.#closing.signal.aborted) return callback(null, duplex);
          duplex.destroy();
          callback(closed());
        },
        (error) => callback(error),
      );
    };
    // Its type differs between versions of Node.
    Object.defineProperty(this.#agent, "createConnection", { value: createConnection });
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const what = this.#asked(input, init);
    const { request } = what;
    await this.#slots.take(request.signal);
    const { response, incoming } = await this.#ask(what);
    const { statusCode: status = 0, statusMessage: statusText = "" } = incoming;
    const empty = request.method === "HEAD" || [204, 205, 304].includes(status);
    if (empty) incoming.resume();
    const body = empty ? null : readableOf(incoming, what.explain);
    try {
      const made = new Response(body, { status, statusText, headers: response });
      Object.defineProperty(made, "url", { value: request.url });
      return made;
    } catch (cause) {
      // Such as a status that no Response can have. Nobody will read the body.
      incoming.destroy();
      throw new TypeError(`Cannot fetch "${request.url}": the answer is no Response`, { cause });
    }
  }

  async upgrade(input: string | URL | Request, init?: RequestInit): Promise<HttpUpgrade> {
    const what = this.#asked(input, init);
    const { headers, signal } = what.request;
    if (!headers.has("upgrade")) headers.set("upgrade", "tcp");
    headers.set("connection", "Upgrade");
    const duplex = await this.#connect(AbortSignal.any([signal, this.#closing.signal]));
    const answer = await this.#askOver(duplex, what);
    const status = answer.incoming.statusCode ?? 0;
    if (answer.upgraded) return { status, headers: answer.response, ...streamsOf(duplex) };
    if (status === 101) {
      duplex.destroy();
      throw new TypeError(`Cannot upgrade "${what.request.url}": "Connection: Upgrade" is missing`);
    }
    const writable = new WritableStream<Uint8Array>();
    await writable.close();
    const readable = readableOf(answer.incoming, what.explain);
    return { status, headers: answer.response, readable, writable };
  }

  close(): void {
    this.#closing.abort(closed());
    this.#agent.destroy();
    this.#slots.open();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Asks in a place that was taken, and gives it back. */
  async #ask(what: Asked): Promise<Answer> {
    try {
      this.#throwIfClosed();
      const answer = await ask(what, { agent: this.#agent });
      answer.outgoing.once("close", () => this.#slots.give());
      return answer;
    } catch (error) {
      this.#slots.give();
      throw error;
    }
  }

  /** Asks over a connection that is for this request alone. */
  async #askOver(duplex: PipeDuplex<PipeHost>, what: Asked): Promise<Answer> {
    const { signal } = this.#closing;
    const end = () => void duplex.destroy();
    signal.addEventListener("abort", end);
    try {
      this.#throwIfClosed();
      return await ask(what, { createConnection: () => duplex }, duplex);
    } catch (error) {
      end();
      throw error;
    } finally {
      signal.removeEventListener("abort", end);
    }
  }

  #asked(input: string | URL | Request, init: RequestInit | undefined): Asked {
    this.#throwIfClosed();
    return asked(input, init);
  }

  #throwIfClosed(): void {
    if (this.#closing.signal.aborted) throw closed();
  }
}

function closed(): TypeError {
  return new TypeError("Cannot fetch: the client is closed");
}
