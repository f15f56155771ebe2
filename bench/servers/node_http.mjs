/**
 * An HTTP server by `node:http` that answers with the path, or with the body of the request:
 * `node_http.mjs PIPE`.
 *
 * @module
 */

import { createServer } from "node:http";
import process from "node:process";

const server = createServer((request, response) => {
  if (request.method !== "POST") return response.end(request.url.slice(1));
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => response.end(Buffer.concat(chunks)));
});
server.listen(process.argv[2]);
