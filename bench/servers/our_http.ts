/**
 * This module as an HTTP server that answers with the path, or with the body of the request:
 * `our_http.ts PIPE`.
 *
 * @module
 */

import { serveHttp } from "../../src/http/mod.ts";

const [path = ""] = Deno.args;
await serveHttp({ path }, async (request) => {
  if (request.method === "POST") return new Response(await request.bytes());
  return new Response(new URL(request.url).pathname.slice(1));
}).finished;
