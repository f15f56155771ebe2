/**
 * A client of an echo server by `node:net`, for Node, Bun and Deno: several connections, each in a
 * closed loop. It ends with 0 if every reply was right, and else writes why not to a file, since
 * node.exe cannot write to every stdout.
 *
 * Arguments: the pipe, the file, how many connections, how many exchanges of each.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";

const [path, file, connections, exchanges] = process.argv.slice(2);

/** Lengths that fit into one read, into the quota of the pipe, and into neither. */
const LENGTHS = [1, 64, 5_000, 200_000];

/** Resolves when the socket has given so many bytes. */
function reader(socket) {
  let received = Buffer.alloc(0);
  let wanted;
  const look = () => {
    if (wanted === undefined || received.length < wanted.length) return;
    const { length, resolve } = wanted;
    wanted = undefined;
    resolve(received.subarray(0, length));
    received = received.subarray(length);
  };
  socket.on("data", (data) => {
    received = Buffer.concat([received, data]);
    look();
  });
  return (length) =>
    new Promise((resolve) => {
      wanted = { length, resolve };
      look();
    });
}

function talk(number) {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("The connection was closed")));
    socket.on("connect", async () => {
      const read = reader(socket);
      for (let i = 0; i < Number(exchanges); i++) {
        const request = Buffer.alloc(LENGTHS[i % LENGTHS.length], `${number}:${i}`);
        socket.write(request);
        const reply = await read(request.length);
        if (!reply.equals(request)) return reject(new Error(`Reply ${i} is wrong`));
      }
      socket.removeAllListeners("close");
      socket.on("close", resolve);
      // A pipe has no half-close: one that only ends its side may wait for the server for ever.
      socket.destroy();
    });
  });
}

function end(code, text) {
  writeFileSync(file, text);
  process.exit(code);
}

setTimeout(() => end(2, "It takes too long"), 60_000);
Promise.all(Array.from({ length: Number(connections) }, (_, number) => talk(number))).then(
  () => end(0, "done"),
  (error) => end(1, String(error?.stack ?? error)),
);
