/**
 * The functions of the module, as a program takes them that can be tested without Windows.
 *
 * @module
 */

import type { CallOptions } from "../client/call.ts";
import type { ClientOptions, ConnectOptions } from "../client/connect.ts";
import type { PipeHost } from "../client/host.ts";
import type { PipeExchanges } from "../exchange/exchanges.ts";
import type { Responder } from "../exchange/responders.ts";
import type { PipeServer, ServeOptions } from "../exchange/serve.ts";
import type { PipeEntry } from "../kernel/kernel.ts";
import type { PipeListener } from "../listen/listen.ts";
import type { ListenOptions } from "../listen/options.ts";
import type { As, Decoded } from "../pipe/decoding.ts";
import type { Message } from "../pipe/message.ts";
import type { PipeConn } from "../pipe/pipe_conn.ts";
import type { ExchangesOptions } from "../server/options.ts";

/**
 * The functions of `@overlapped/named-pipe`. A program that takes them as a parameter can be given the
 * module itself, or those of {@linkcode memoryPipes} in a test.
 *
 * All members work when destructured. What each does is documented with the function of the same
 * name.
 *
 * @example A program that takes its pipes
 * ```ts
 * import * as pipes from "@overlapped/named-pipe";
 * import type { Pipes } from "@overlapped/named-pipe/testing";
 *
 * export function startClock({ serve }: Pipes) {
 *   return serve({ path: "clock" }, () => new Date().toISOString());
 * }
 *
 * if (import.meta.main) startClock(pipes);
 * ```
 */
export interface Pipes {
  /** Listens on a pipe and answers each request with a function. */
  readonly serve: (options: ServeOptions, responder: Responder) => PipeServer;
  /** Listens on a pipe and yields the requests. */
  readonly exchanges: (options: ExchangesOptions) => PipeExchanges;
  /** Listens on a pipe and gives each client to the program as a connection. */
  readonly listen: (options: ListenOptions) => PipeListener;
  /** Connects to a pipe as a client. */
  readonly connect: (options: ConnectOptions) => Promise<PipeConn<PipeHost>>;
  /** Sends one request to a server and returns the answer. */
  readonly call: <A extends As = "bytes">(
    path: string,
    message: Message,
    options?: CallOptions<A>,
  ) => Promise<Decoded<A>>;
  /** Sends one message to a server, and waits for no answer. */
  readonly notify: (path: string, message: Message, options?: ClientOptions) => Promise<void>;
  /** Lists the pipes there are. */
  readonly listPipes: () => PipeEntry[];
}
