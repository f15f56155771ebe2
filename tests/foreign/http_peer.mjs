/**
 * HTTP in node.exe or bun.exe, over their own pipes: see `tests/windows/http_test.ts`.
 *
 * Arguments: what to do, the pipe, the file for the verdict. It writes "done" to the file when it has
 * seen what it expects, and else what went wrong.
 *
 * @module
 */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import http from "node:http";
import process from "node:process";
import { Readable } from "node:stream";

const [role, path, file] = process.argv.slice(2);

const MIB = 1024 * 1024;
const LARGE = 64 * MIB;

function end(code, text) {
  writeFileSync(file, text);
  process.exit(code);
}

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

/** A body of so many bytes, each MiB of them of another value. */
function* large(length) {
  for (let at = 0; at < length; at += MIB) yield Buffer.alloc(MIB, at / MIB);
}

async function checkLarge(stream, length) {
  let at = 0;
  for await (const chunk of stream) {
    for (const i of [0, chunk.length - 1]) {
      assert.equal(chunk[i], Math.floor((at + i) / MIB) % 256, `${at + i}`);
    }
    at += chunk.length;
  }
  assert.equal(at, length);
}

function send(options, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: path, ...options }, resolve);
    request.on("error", reject);
    if (body instanceof Readable) body.pipe(request);
    else request.end(body);
  });
}

/** As a client of our server. */
async function asks() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const own = await send({ agent, path: "/who", headers: { host: "docker" } });
  assert.deepEqual(JSON.parse(await textOf(own)), { url: "http://docker/who", pid: process.pid });
  const many = Array.from({ length: 50 }, async (_, i) => {
    const response = await send({ agent, method: "POST", path: "/echo" }, `body ${i}`);
    assert.equal(await textOf(response), `body ${i}`);
  });
  await Promise.all(many);
  const both = await send({ agent, method: "POST", path: "/echo" }, Readable.from(large(LARGE)));
  await checkLarge(both, LARGE);
  const head = await send({ agent, method: "HEAD", path: "/large" });
  assert.equal(await textOf(head), "");
  const thrown = await send({ agent, path: "/throws" });
  assert.equal(thrown.statusCode, 500);
  await textOf(thrown);
  const expects = http.request({
    ...{ socketPath: path, agent, method: "POST", path: "/echo" },
    headers: { expect: "100-continue", "content-length": 4 },
  });
  // It may follow "continue" at once: an echo begins before its body.
  const answered = once(expects, "response");
  expects.flushHeaders();
  await once(expects, "continue");
  expects.end("body");
  const [response] = await answered;
  assert.equal(await textOf(response), "body");
  const events = await send({ agent, path: "/events" });
  const seen = [];
  for await (const chunk of events) {
    seen.push(`${chunk}`);
    // Each event is sent when the last one was seen.
    if (seen.length < 4) await textOf(await send({ agent, path: "/next" }));
  }
  assert.deepEqual(seen, [1, 2, 3].map((i) => `data: ${i}\n\n`));
  // It leaves in the middle of a response.
  const cut = await send({ path: "/endless" });
  await once(cut, "data");
  cut.destroy();
  assert.equal(await textOf(await send({ agent, path: "/left" })), "left");
  agent.destroy();
}

/** As a server, until it is told to end. */
async function answers() {
  const connections = new Set();
  let aborted = 0;
  const server = http.createServer(async (request, response) => {
    request.on("error", () => {});
    connections.add(request.socket);
    if (request.url === "/count") return response.end(`${connections.size} ${aborted}`);
    if (request.url === "/large") return Readable.from(large(LARGE)).pipe(response);
    if (request.url === "/never") return response.on("close", () => aborted++);
    if (request.url === "/echo") {
      response.setHeader("x-length", `${request.headers["content-length"]}`);
      return request.pipe(response);
    }
    if (request.url === "/check") {
      await checkLarge(request, LARGE);
      return response.end("checked");
    }
    response.statusCode = 404;
    response.end();
    if (request.url === "/end") end(0, "done");
  });
  server.on("upgrade", (request, socket, head) => {
    socket.write(
      `HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\nhello `,
    );
    socket.write(head);
    socket.pipe(socket);
    socket.on("error", () => {});
  });
  server.listen(path);
  await new Promise(() => {});
}

setTimeout(() => end(2, "It takes too long"), 240_000);
({ asks, answers })[role]().then(
  () => end(0, "done"),
  (error) => end(1, String(error?.stack ?? error)),
);
