/**
 * HTTP over named pipes.
 *
 * - {@linkcode serveHttp} answers requests, in the shape of `Deno.serve`.
 * - {@linkcode httpClient} asks, in the shape of `fetch`.
 *
 * **Permissions:** those of `@overlapped/named-pipe`, and no others: `--allow-ffi`. Deno 2.8 or newer.
 *
 * @example A server
 * ```ts
 * import { serveHttp } from "@overlapped/named-pipe/http";
 *
 * const server = serveHttp({ path: "web" }, (request, { client }) => {
 *   const { pathname } = new URL(request.url);
 *   return new Response(`Hello, process ${client.processId}: this is ${pathname}\n`);
 * });
 * await server.finished;
 * ```
 *
 * @example A client
 * ```ts
 * import { httpClient } from "@overlapped/named-pipe/http";
 *
 * using client = httpClient({ path: "web" });
 * const response = await client.fetch("/index");
 * console.log(await response.text());
 * ```
 *
 * @module
 */

export { type HttpClient, httpClient, type HttpClientOptions, type HttpUpgrade } from "./client.ts";
export type { HttpHandler, HttpInfo, ServeHttpOptions } from "./options.ts";
export { type HttpServer, serveHttp } from "./serve_http.ts";
