/**
 * The other end of libraries of Node, run by node.exe with the same libraries: see
 * `tests/windows/node_libraries_test.ts`.
 *
 * Arguments: what to do, the pipe, the file for the verdict, the folder `node_modules`. It writes
 * "done" to the file when it has seen what it expects, and else what went wrong.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { createRequire } from "node:module";
import net from "node:net";
import process from "node:process";

const [role, path, file, libraries] = process.argv.slice(2);
const require = createRequire(`${libraries}/peer.js`);

function end(code, text) {
  writeFileSync(file, text);
  process.exit(code);
}

async function bodyOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

// JSON-RPC

function speak(rpc, [reader, writer]) {
  const connection = rpc.createMessageConnection(reader, writer);
  const closed = new Promise((resolve) => connection.onClose(resolve));
  connection.onRequest("add", (a, b) => a + b);
  connection.onRequest("relay", async (text) => await connection.sendRequest("shout", text) + "!");
  connection.onRequest(
    "forever",
    (token) => new Promise((resolve) => token.onCancellationRequested(() => resolve("cancelled"))),
  );
  connection.onNotification("big", (text) => connection.sendNotification("big", text));
  connection.onRequest("ask", async (count) => {
    const answers = Array.from({ length: count }, (_, i) => connection.sendRequest("double", i));
    return (await Promise.all(answers)).reduce((sum, answer) => sum + answer, 0);
  });
  // The last: this end closes.
  connection.onNotification("leave", () => connection.end());
  connection.listen();
  return closed;
}

async function rpcConnects() {
  const rpc = require("vscode-jsonrpc/node");
  await speak(rpc, rpc.createServerPipeTransport(path));
}

/** As an editor that has started a language server. */
async function rpcListens() {
  const rpc = require("vscode-jsonrpc/node");
  const transport = await rpc.createClientPipeTransport(path);
  await speak(rpc, await transport.onConnected());
}

// HTTP

function ask(agent, options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: path, agent, ...options }, async (response) => {
      resolve({ status: response.statusCode, body: await bodyOf(response) });
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function httpConnects() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 5; i++) {
    const { status, body } = await ask(agent, { path: `/${i}` });
    assert.deepEqual([status, body.toString()], [200, `GET /${i}`]);
  }
  const large = Buffer.alloc(1_000_000, "large");
  const { body } = await ask(agent, { path: "/echo", method: "POST" }, large);
  assert(body.equals(large));
  agent.destroy();
  const four = new http.Agent({ keepAlive: true, maxSockets: 4 });
  const requests = Array.from({ length: 40 }, (_, i) => ask(four, { path: `/many/${i}` }));
  for (const [i, { body }] of (await Promise.all(requests)).entries()) {
    assert.equal(body.toString(), `GET /many/${i}`);
  }
  four.destroy();
}

/** Answers until its only client has left. */
async function httpListens() {
  let connections = 0;
  const server = http.createServer(async (request, response) => {
    if (request.method === "GET") return void response.end(`GET ${request.url}, ${connections}`);
    response.end(await bodyOf(request));
  });
  const gone = new Promise((resolve) => {
    server.on("connection", (socket) => {
      connections++;
      socket.on("close", resolve);
    });
  });
  server.listen(path);
  await gone;
}

// WebSocket

async function webSocketConnects() {
  const { WebSocket } = require("ws");
  const socket = new WebSocket("ws://localhost/", { createConnection: () => net.connect(path) });
  await once(socket, "open");
  for (const length of [1, 100_000, 1_000_000]) {
    const message = Buffer.alloc(length, "w");
    socket.send(message);
    const [answer] = await once(socket, "message");
    assert(answer.equals(message));
  }
  socket.close(1000, "bye");
  const [code] = await once(socket, "close");
  assert.equal(code, 1000);
}

async function webSocketListens() {
  const { WebSocketServer } = require("ws");
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  server.listen(path);
  const [socket] = await once(sockets, "connection");
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  await once(socket, "close");
}

// HTTP/2

async function http2Connects() {
  const session = http2.connect("http://localhost", { createConnection: () => net.connect(path) });
  const asked = Array.from({ length: 20 }, async (_, i) => {
    const stream = session.request({ ":path": `/${i}`, ":method": "POST" });
    stream.end(Buffer.alloc(i * 10_000, "2"));
    return (await bodyOf(stream)).length;
  });
  assert.deepEqual(await Promise.all(asked), asked.map((_, i) => i * 10_000));
  session.close();
  await once(session, "close");
}

async function http2Listens() {
  const server = http2.createServer();
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  server.listen(path);
  const [session] = await once(server, "session");
  await once(session, "close");
}

// gRPC

async function grpcConnects() {
  const grpc = require("@grpc/grpc-js");
  const encode = (value) => Buffer.from(JSON.stringify(value));
  const decode = (bytes) => JSON.parse(bytes.toString());
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure());
  const say = (name) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest("/Greeter/SayHello", encode, decode, { name }, (error, reply) => {
        if (error) reject(error);
        else resolve(reply.message);
      });
    });
  assert.equal(await say("pipe"), "Hello pipe");
  const names = Array.from({ length: 200 }, (_, i) => `${i}`);
  assert.deepEqual(await Promise.all(names.map(say)), names.map((name) => `Hello ${name}`));
  const stream = client.makeServerStreamRequest("/Greeter/Count", encode, decode, { to: 100 });
  let sum = 0;
  for await (const { number } of stream) sum += number;
  assert.equal(sum, 5_050);
  await assert.rejects(() => say(""), { code: grpc.status.INVALID_ARGUMENT });
  client.close();
}

// The examples

/** Calls `examples/json_rpc_server.ts`. */
async function callsServer() {
  const rpc = require("vscode-jsonrpc/node");
  const connection = rpc.createMessageConnection(...rpc.createServerPipeTransport(path));
  const closed = new Promise((resolve) => connection.onClose(resolve));
  const steps = [];
  connection.onNotification("progress", (percent) => steps.push(percent));
  connection.listen();
  assert.equal(await connection.sendRequest("add", 20, 22), 42);
  assert.equal(await connection.sendRequest("slow", 10), "done");
  assert.deepEqual(steps, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
  const source = new rpc.CancellationTokenSource();
  const slow = connection.sendRequest("slow", 100, source.token);
  source.cancel();
  await assert.rejects(slow, { code: -32_800 });
  connection.end();
  await closed;
}

/** What an editor asks of `examples/language_server.ts`. */
async function editorListens() {
  const rpc = require("vscode-jsonrpc/node");
  const transport = await rpc.createClientPipeTransport(path);
  const connection = rpc.createMessageConnection(...await transport.onConnected());
  const closed = new Promise((resolve) => connection.onClose(resolve));
  const published = [];
  const waiting = [];
  connection.onNotification("textDocument/publishDiagnostics", ({ diagnostics }) => {
    published.push(diagnostics.map(({ range }) => range.start));
    waiting.shift()?.();
  });
  const notify = async (method, params) => {
    const answered = new Promise((resolve) => waiting.push(resolve));
    await connection.sendNotification(method, params);
    await answered;
  };
  connection.listen();
  const { capabilities } = await connection.sendRequest("initialize", { capabilities: {} });
  assert.equal(capabilities.hoverProvider, true);
  await connection.sendNotification("initialized", {});
  const uri = "file:///x.txt";
  const text = "first\n  TODO: second";
  await notify("textDocument/didOpen", {
    textDocument: { uri, languageId: "x", version: 1, text },
  });
  await notify("textDocument/didChange", {
    textDocument: { uri, version: 2 },
    contentChanges: [{ text: "TODO" }],
  });
  assert.deepEqual(published, [[{ line: 1, character: 2 }], [{ line: 0, character: 0 }]]);
  const hover = (character) =>
    connection.sendRequest("textDocument/hover", {
      textDocument: { uri },
      position: { line: 0, character },
    });
  assert.deepEqual(await hover(2), { contents: "4 letters" });
  assert.equal(await hover(5), null);
  assert.equal(await connection.sendRequest("shutdown"), null);
  await connection.sendNotification("exit");
  await closed;
}

const ROLES = {
  rpcConnects,
  rpcListens,
  httpConnects,
  httpListens,
  webSocketConnects,
  webSocketListens,
  http2Connects,
  http2Listens,
  grpcConnects,
  callsServer,
  editorListens,
};

setTimeout(() => end(2, "It takes too long"), 240_000);
ROLES[role]().then(() => end(0, "done"), (error) => end(1, String(error?.stack ?? error)));
