/**
 * A server that echoes lines, by `node:net` and `node:readline`: `net_lines.mjs PIPE`.
 *
 * @module
 */

import { createServer } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

const server = createServer((socket) => {
  socket.on("error", () => {});
  createInterface({ input: socket }).on("line", (line) => socket.write(`${line}\n`));
});
server.listen(process.argv[2]);
