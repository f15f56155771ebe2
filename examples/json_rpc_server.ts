// Permissions: --allow-ffi (or --allow-ffi=C:\Windows\System32\kernel32.dll,C:\Windows\System32\advapi32.dll) --allow-env=XDG_RUNTIME_DIR
//
// deno run --allow-ffi --allow-env=XDG_RUNTIME_DIR examples/json_rpc_server.ts PATH
//
// Answers JSON-RPC requests with vscode-jsonrpc: `add(a, b)`, and `slow(ms)`, which can be cancelled
// and reports its progress by notifications. Ctrl-C shuts the server down.

import { setTimeout as delay } from "node:timers/promises";
import { listen, type PipeConn } from "@overlapped/named-pipe";
import { toDuplex } from "@overlapped/named-pipe/node";
import * as rpc from "npm:vscode-jsonrpc@10.0.0/node";

const [path, ...others] = Deno.args;
if (path === undefined || others.length > 0) {
  console.error("Usage: json_rpc_server.ts PATH");
  Deno.exit(2);
}

/** The code of the language server protocol for a request that was cancelled. */
const REQUEST_CANCELLED = -32_800;

/** Waits in ten steps, unless the request is cancelled. */
async function slow(connection: rpc.MessageConnection, ms: number, token: rpc.CancellationToken) {
  for (let step = 1; step <= 10; step++) {
    await delay(ms / 10);
    if (token.isCancellationRequested) {
      return new rpc.ResponseError(REQUEST_CANCELLED, `cancelled at ${step}`);
    }
    connection.sendNotification("progress", step * 10);
  }
  return "done";
}

function serve(conn: PipeConn): void {
  const duplex = toDuplex(conn);
  // The reason why a connection ended early; the connection is closed all the same.
  duplex.on("error", (error) => console.error(error.message));
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(duplex),
    new rpc.StreamMessageWriter(duplex),
  );
  connection.onRequest("add", (a: number, b: number) => a + b);
  connection.onRequest("slow", (ms: number, token) => slow(connection, ms, token));
  connection.onClose(() => connection.dispose());
  // When the server shuts down, the client is to connect elsewhere: each connection is ended.
  conn.draining.addEventListener("abort", () => connection.end());
  connection.listen();
}

const stop = () => void listener.shutdown();
Deno.addSignalListener("SIGINT", stop);
Deno.addSignalListener("SIGBREAK", stop);
const listener = listen({
  path,
  type: "byte",
  onListen: ({ path }) => console.log(`listening on ${path}`),
});
for await (const conn of listener) serve(conn);
await listener.finished;
Deno.removeSignalListener("SIGINT", stop);
Deno.removeSignalListener("SIGBREAK", stop);
