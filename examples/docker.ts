// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll)
//
// deno run --allow-ffi examples/docker.ts [--pipe=PATH] version
// deno run --allow-ffi examples/docker.ts [--pipe=PATH] ps
// deno run --allow-ffi examples/docker.ts [--pipe=PATH] logs CONTAINER
// deno run --allow-ffi examples/docker.ts [--pipe=PATH] exec CONTAINER COMMAND [ARGUMENT]...
//
// A client of the API of Docker Engine: its version, its containers, the output of one, and a command
// in one, which is sent the standard input of this program. PATH is `docker_engine` by default.

import { Buffer } from "node:buffer";
import process from "node:process";
import { httpClient } from "@overlapped/named-pipe/http";

const [option = "", ...rest] = Deno.args;
const chosen = option.startsWith("--pipe=");
const path = chosen ? option.slice("--pipe=".length) : "docker_engine";
const [command, container, ...words] = chosen ? rest : Deno.args;

// The engine ends one direction by an empty message, as go-winio does.
using docker = httpClient({ path, halfClose: "empty-message" });

async function ask(path: string, body?: unknown): Promise<Response> {
  const response = await docker.fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  if (response.ok) return response;
  throw new Error(`${path}: ${response.status} ${await response.text()}`);
}

/**
 * Cuts the stream of a container into what it writes to its outputs: each part has a head of 8 bytes,
 * of which the first names the output and the last four are the length.
 */
async function show(stream: ReadableStream<Uint8Array>): Promise<void> {
  let buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 8) {
      const end = 8 + buffer.readUInt32BE(4);
      if (buffer.length < end) break;
      const output = buffer[0] === 2 ? process.stderr : process.stdout;
      output.write(buffer.subarray(8, end));
      buffer = buffer.subarray(end);
    }
  }
}

async function exec(container: string, words: string[]): Promise<void> {
  const created = await ask(`/containers/${container}/exec`, {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Cmd: words,
  });
  const { Id } = await created.json();
  const { status, readable, writable } = await docker.upgrade(`/exec/${Id}/start`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ Detach: false, Tty: false }),
  });
  if (status !== 101) throw new Error(`exec: ${status} ${await new Response(readable).text()}`);
  // Closing it ends the input of the command, and not its output.
  await Promise.all([Deno.stdin.readable.pipeTo(writable), show(readable)]);
  Deno.exitCode = (await (await ask(`/exec/${Id}/json`)).json()).ExitCode;
}

if (command === "version" && container === undefined) {
  console.log((await (await ask("/version")).json()).Version);
} else if (command === "ps" && container === undefined) {
  for (const { Id, Names, Status } of await (await ask("/containers/json")).json()) {
    console.log(Id.slice(0, 12), Names.join(), Status);
  }
} else if (command === "logs" && container !== undefined && words.length === 0) {
  const { body } = await ask(`/containers/${container}/logs?stdout=1&stderr=1`);
  if (body !== null) await show(body);
} else if (command === "exec" && container !== undefined && words.length > 0) {
  await exec(container, words);
} else {
  console.error("Usage: docker.ts [--pipe=PATH] version|ps|logs CONTAINER|exec CONTAINER COMMAND");
  Deno.exitCode = 2;
}
