/**
 * A server of streams by `node:net`, for Node and Bun: `net_streams.mjs PIPE`. What a connection does
 * is for its client to say, see `stream.mjs`; what is read is dropped.
 *
 * @module
 */

import { createServer } from "node:net";
import process from "node:process";
import { chunkOf, headerOf } from "./stream.mjs";

/** Writes of one turn at most, should all of them succeed at once. */
const BATCH = 16;

function fill(socket, chunk) {
  const write = () => {
    for (let i = 0; i < BATCH; i++) {
      if (socket.destroyed || !socket.write(chunk)) return;
    }
    setImmediate(write);
  };
  socket.on("drain", write);
  write();
}

const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", (data) => {
    const { down, chunk } = headerOf(data);
    socket.on("data", () => {});
    if (down) fill(socket, chunkOf(chunk));
  });
});
server.listen(process.argv[2]);
