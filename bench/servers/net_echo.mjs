/**
 * An echo server by `node:net`, for Node, Bun and Deno: `net_echo.mjs PIPE`.
 *
 * @module
 */

import { createServer } from "node:net";
import process from "node:process";

const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (data) => socket.write(data));
});
server.listen(process.argv[2]);
