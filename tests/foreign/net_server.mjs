/**
 * An echo server by `node:net`, for Node, Bun and Deno. It ends when somebody sends "stop".
 *
 * Arguments: the pipe, and the file that is written when something goes wrong.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";

const [path, file] = process.argv.slice(2);

function end(code, text) {
  writeFileSync(file, text);
  process.exit(code);
}

const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (data) => {
    if (data.toString() === "stop") end(0, "done");
    socket.write(data);
  });
});
server.on("error", (error) => end(1, String(error?.stack ?? error)));
server.listen(path);
setTimeout(() => end(2, "It takes too long"), 60_000);
