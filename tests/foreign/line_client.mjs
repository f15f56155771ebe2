/**
 * A client by `node:net` and `node:readline`, for Node, Bun and Deno: sends JSON, a line each, and
 * expects `{ "id": …, "length": … }` for each, in order. It ends with 0 if every line was right, and
 * else writes why not to a file.
 *
 * Arguments: the pipe, the file, how many lines.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";

const [path, file, count] = process.argv.slice(2);

/** Characters of 1 to 4 bytes, as often as it takes. */
const texts = ["", "short", "grüße, 管道 🙂", "🙂".repeat(50_000)];

function end(code, text) {
  writeFileSync(file, text);
  process.exit(code);
}

/** Writes a line in pieces, of which one ends in the middle of a character if there is one. */
function writeLine(socket, text) {
  const bytes = Buffer.from(`${text}\n`);
  const cut = Math.max(1, bytes.findIndex((byte) => byte >= 0x80) + 1);
  socket.write(bytes.subarray(0, cut));
  socket.write(bytes.subarray(cut));
}

const socket = connect(path);
socket.on("error", (error) => end(1, String(error?.stack ?? error)));
socket.on("connect", () => {
  for (let id = 0; id < Number(count); id++) {
    writeLine(socket, JSON.stringify({ id, text: texts[id % texts.length] }));
  }
});
let next = 0;
createInterface({ input: socket }).on("line", (line) => {
  const { id, length } = JSON.parse(line);
  if (id !== next || length !== texts[id % texts.length].length) end(1, `Line ${next}: ${line}`);
  if (++next === Number(count)) end(0, "done");
});
setTimeout(() => end(2, "It takes too long"), 60_000);
