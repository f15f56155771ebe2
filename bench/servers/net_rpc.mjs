/**
 * A JSON-RPC server by `node:net`, with `vscode-jsonrpc`: `net_rpc.mjs PIPE NODE_MODULES`.
 *
 * @module
 */

import { createRequire } from "node:module";
import { createServer } from "node:net";
import process from "node:process";

const [path, libraries] = process.argv.slice(2);
const rpc = createRequire(`${libraries}/server.js`)("vscode-jsonrpc/node");

const server = createServer((socket) => {
  socket.on("error", () => {});
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(socket),
    new rpc.StreamMessageWriter(socket),
  );
  connection.onRequest("echo", (text) => text);
  connection.listen();
});
server.listen(path);
