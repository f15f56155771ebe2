/**
 * Named pipe servers and clients for Deno on Windows.
 *
 * A server runs on one thread with overlapped I/O: any number of clients, one wait for all of them,
 * and no thread per client. On a message pipe, each message arrives whole, up to a limit on its
 * length. Clients may be written in any language.
 *
 * - {@linkcode serve} answers each request with a function.
 * - {@linkcode exchanges} yields requests to a `for await` loop.
 * - {@linkcode listen} gives each client to the program as a connection, on which either end may send
 *   at any time: messages, bytes or streams.
 * - {@linkcode connect}, {@linkcode call} and {@linkcode notify} are the client.
 * - {@linkcode lines}, {@linkcode lengthPrefixed} and {@linkcode contentLength} cut messages out of a
 *   byte stream.
 *
 * **Permissions:** `--allow-ffi`, or scoped to the libraries that are opened:
 * `--allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll`. The second is for
 * users and access rights: a client, unless it checks the owner of its server, and a server with
 * `access: "system-default"` and no `authorize`, need only the first. The module can be imported on
 * every system; on other systems, what uses a pipe throws `Deno.errors.NotSupported`.
 *
 * @example A server
 * ```ts
 * import { serve } from "@overlapped/named-pipe";
 *
 * const server = serve({ path: "shout" }, (_request, exchange) => {
 *   return exchange.text().toUpperCase();
 * });
 * console.log(`Listening on ${server.path}`); // \\.\pipe\shout
 * await server.finished;
 * ```
 *
 * @example A client
 * ```ts
 * import { call } from "@overlapped/named-pipe";
 *
 * console.log(await call("shout", "hello", { as: "text" })); // HELLO
 * ```
 *
 * @module
 */

export type { IntegrityLevel, PipeAccess, PipeSecurity } from "./src/options/access.ts";
export { call, type CallOptions } from "./src/client/call.ts";
export { type ClientOptions, connect, type ConnectOptions } from "./src/client/connect.ts";
export { notify } from "./src/client/notify.ts";
export type { PipeHost } from "./src/client/host.ts";
export type { PipeConn, PipeEnded, ReceiveOptions, SendOptions } from "./src/pipe/pipe_conn.ts";
export type { As, Decoded, Ended } from "./src/pipe/decoding.ts";
export type { PipePeer } from "./src/pipe/peer.ts";
export type { CloseReason } from "./src/pipe/close_reason.ts";
export { contentLength } from "./src/pipe/framing/content_length.ts";
export { lengthPrefixed, type LengthPrefixedOptions } from "./src/pipe/framing/length_prefixed.ts";
export { lines, type LinesOptions } from "./src/pipe/framing/lines.ts";
export type { FrameDecoder, Framing } from "./src/options/framing.ts";
export { WindowsError, type WindowsErrorInit } from "./src/kernel/errors.ts";
export type { ClientInfo, ClientUser, PipeClient } from "./src/server/client.ts";
export { listen, type PipeListener } from "./src/listen/listen.ts";
export type { ListenOptions } from "./src/listen/options.ts";
export type { ExchangesOptions } from "./src/server/options.ts";
export type { Exchange } from "./src/exchange/exchange.ts";
export { exchanges, type PipeExchanges } from "./src/exchange/exchanges.ts";
export type { Message } from "./src/pipe/message.ts";
export type { Reply, Responder } from "./src/exchange/responders.ts";
export { type PipeServer, serve, type ServeOptions } from "./src/exchange/serve.ts";
export type { ShutdownReport } from "./src/server/tally.ts";
