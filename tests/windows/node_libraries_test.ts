/**
 * Libraries of Node over a pipe: the real library at our end, and node.exe with its own pipes at the
 * other.
 */

import { Buffer } from "node:buffer";
import { type EventEmitter, once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import { Duplex } from "node:stream";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { connect, listen, type ListenOptions, type PipeListener } from "../../mod.ts";
import { type PipeDuplex, toDuplex } from "../../src/node/mod.ts";
import { grpc, rpc, WebSocket, WebSocketServer } from "../node/libraries.ts";
import { windowsTest } from "../win32/environment.ts";
import { NodePeer } from "./node_peer.ts";
import { run, testProgram } from "./program.ts";
import { newPath, within } from "./support.ts";

/** The first versions of Deno whose `node:http` and `node:http2` take streams. */
const HTTP = "2.7.13";
const HTTP2 = "2.7.14";

const CONNECT = { connectTimeout: 60_000 };

/** A stream to a server in node.exe. */
async function dial(path: string): Promise<PipeDuplex> {
  return toDuplex(await connect({ path, ...CONNECT }));
}

/** Gives each client of a listener to a server of a library. */
function accepting(
  options: ListenOptions,
  take: (duplex: PipeDuplex) => void,
): PipeListener {
  const listener = listen(options);
  (async () => {
    for await (const conn of listener) take(toDuplex(conn));
  })();
  return listener;
}

async function bodyOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Until an event; an error is one that is not expected. */
async function event(emitter: EventEmitter, name: string): Promise<void> {
  await within(`"${name}"`, once(emitter, name), 30_000);
}

// JSON-RPC

/** Everything that JSON-RPC does, both ways, with a peer that leaves in the end. */
async function speak(duplex: PipeDuplex): Promise<void> {
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(duplex),
    new rpc.StreamMessageWriter(duplex),
  );
  const closed = Promise.withResolvers<void>();
  connection.onClose(() => closed.resolve());
  connection.onRequest("shout", (text: string) => text.toUpperCase());
  connection.onRequest("double", (number: number) => number * 2);
  const big = Promise.withResolvers<string>();
  connection.onNotification("big", (text: string) => big.resolve(text));
  connection.listen();
  assertEquals(await connection.sendRequest("add", 1, 2), 3);
  assertEquals(await connection.sendRequest("relay", "hello"), "HELLO!");
  const text = "notify ".repeat(300_000 / 7);
  await connection.sendNotification("big", text);
  assert(await within("the notification", big.promise) === text);
  const source = new rpc.CancellationTokenSource();
  const forever = connection.sendRequest("forever", source.token);
  assertEquals(await connection.sendRequest("add", 3, 4), 7);
  source.cancel();
  assertEquals(await within("the cancelled request", forever), "cancelled");
  const sums = Array.from({ length: 1_000 }, (_, i) => connection.sendRequest("add", i, 1));
  assertEquals(await Promise.all(sums), sums.map((_, i) => i + 1));
  assertEquals(await connection.sendRequest("ask", 1_000), 999_000);
  await connection.sendNotification("leave");
  await within("the end of the connection", closed.promise);
  connection.dispose();
}

for (const type of ["message", "byte"] as const) {
  windowsTest(`vscode-jsonrpc serves node.exe, which connects to a ${type} pipe`, async () => {
    const path = newPath();
    await using listener = listen({ path, type });
    await using peer = new NodePeer("rpcConnects", path);
    const duplex = toDuplex(await listener.accept());
    const closed = event(duplex, "close");
    await within("the conversation", speak(duplex), 250_000);
    await closed;
    await peer.succeeded();
  });
}

windowsTest("vscode-jsonrpc connects to node.exe, which listens as an editor does", async () => {
  const path = newPath();
  await using peer = new NodePeer("rpcListens", path);
  const duplex = await dial(path);
  const closed = event(duplex, "close");
  await within("the conversation", speak(duplex), 250_000);
  await closed;
  await peer.succeeded();
});

// HTTP

windowsTest.since(HTTP, "http.Server answers node.exe, with keep-alive", async () => {
  const path = newPath();
  const server = http.createServer(async (request, response) => {
    if (request.method === "GET") response.end(`GET ${request.url}`);
    else response.end(await bodyOf(request));
  });
  Object.defineProperty(server, "listening", { value: true });
  let accepted = 0;
  await using _listener = accepting({ path, type: "byte" }, (duplex) => {
    accepted++;
    server.emit("connection", duplex);
  });
  await using peer = new NodePeer("httpConnects", path);
  await peer.succeeded();
  // One for each connection of its agents.
  assertEquals(accepted, 5);
});

windowsTest.since(HTTP, "http.Agent asks node.exe, with keep-alive", async () => {
  const path = newPath();
  await using peer = new NodePeer("httpListens", path);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = (_options, callback) => {
    dial(path).then(
      (duplex) => callback?.(null, duplex),
      (error) => callback?.(error, new Duplex()),
    );
    return undefined;
  };
  const ask = (options: http.RequestOptions, body?: Uint8Array) => {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const request = http.request({ agent, ...options }, (response) => {
      bodyOf(response).then(resolve, reject);
    });
    request.on("error", reject);
    request.end(body);
    return promise;
  };
  for (let i = 0; i < 5; i++) {
    assertEquals((await ask({ path: `/${i}` })).toString(), `GET /${i}, 1`);
  }
  const large = Buffer.alloc(1_000_000, "large");
  assert((await ask({ method: "POST" }, large)).equals(large));
  agent.destroy();
  await peer.succeeded();
});

// WebSocket

windowsTest.since(HTTP, "ws serves node.exe", async () => {
  const path = newPath();
  const server = http.createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
  });
  await using _listener = accepting({ path }, (duplex) => server.emit("connection", duplex));
  await using peer = new NodePeer("webSocketConnects", path);
  await peer.succeeded();
});

windowsTest.since(HTTP, "ws connects to node.exe", async () => {
  const path = newPath();
  await using peer = new NodePeer("webSocketListens", path);
  const duplex = await dial(path);
  const socket = new WebSocket("ws://localhost/", { createConnection: () => duplex });
  await event(socket, "open");
  for (const length of [1, 100_000, 1_000_000]) {
    const message = Buffer.alloc(length, "w");
    socket.send(message);
    const [answer] = await once(socket, "message");
    assert(message.equals(answer));
  }
  const closed = event(duplex, "close");
  socket.close();
  await closed;
  await peer.succeeded();
});

// HTTP/2

windowsTest.since(HTTP2, "http2 serves node.exe", async () => {
  const path = newPath();
  const server = http2.createServer();
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  });
  await using _listener = accepting(
    { path, type: "byte" },
    (duplex) => server.emit("connection", duplex),
  );
  await using peer = new NodePeer("http2Connects", path);
  await peer.succeeded();
});

windowsTest.since(HTTP2, "http2 connects to node.exe", async () => {
  const path = newPath();
  await using peer = new NodePeer("http2Listens", path);
  const duplex = await dial(path);
  const session = http2.connect("http://localhost", { createConnection: () => duplex });
  const asked = Array.from({ length: 20 }, async (_, i) => {
    const stream = session.request({ ":path": `/${i}`, ":method": "POST" });
    stream.end(Buffer.alloc(i * 10_000, "2"));
    return (await bodyOf(stream)).length;
  });
  assertEquals(await Promise.all(asked), asked.map((_, i) => i * 10_000));
  const closed = event(duplex, "close");
  session.close();
  await closed;
  await peer.succeeded();
});

// gRPC

interface Asked {
  name: string;
  to: number;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value));
const METHOD = {
  requestSerialize: encode,
  responseSerialize: encode,
  requestDeserialize: (bytes: Buffer): Asked => JSON.parse(bytes.toString()),
  responseDeserialize: (bytes: Buffer): unknown => JSON.parse(bytes.toString()),
  requestStream: false,
} as const;

const GREETER = {
  sayHello: { ...METHOD, path: "/Greeter/SayHello", responseStream: false },
  count: { ...METHOD, path: "/Greeter/Count", responseStream: true },
} as const;

windowsTest.since(HTTP2, "@grpc/grpc-js serves node.exe", async () => {
  const path = newPath();
  const server = new grpc.Server();
  server.addService(GREETER, {
    sayHello(
      { request: { name } }: grpc.ServerUnaryCall<Asked, unknown>,
      callback: grpc.sendUnaryData<unknown>,
    ) {
      if (name === "") callback({ code: grpc.status.INVALID_ARGUMENT, details: "no name" });
      else callback(null, { message: `Hello ${name}` });
    },
    count(call: grpc.ServerWritableStream<Asked, unknown>) {
      for (let number = 1; number <= call.request.to; number++) call.write({ number });
      call.end();
    },
  });
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  await using _listener = accepting(
    { path, type: "byte" },
    (duplex) => injector.injectConnection(duplex),
  );
  await using peer = new NodePeer("grpcConnects", path);
  await peer.succeeded();
  injector.destroy();
});

// Permissions

const KERNEL32 = "--allow-ffi=C:\\Windows\\System32\\kernel32.dll";

/** What docs/node.md says that a library needs besides. The examples show that of the others. */
const PERMISSIONS: Record<string, string[]> = { ws: ["--allow-env=WS_NO_BUFFER_UTIL"], http2: [] };

windowsTest.since(
  HTTP2,
  "a client of @grpc/grpc-js connects by Deno's own pipes, with -A",
  async () => {
    const program = (...permissions: string[]) =>
      run([...testProgram("node_libraries", "--no-prompt", ...permissions), "grpc", newPath()]);
    const { code, stdout, stderr } = await program("-A");
    assertEquals([code, stdout.trim(), stderr], [0, "grpc", ""]);
    const refused = await program("--allow-ffi", "--allow-env", "--allow-read", "--allow-write");
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "--allow-all");
  },
);

for (const [library, permissions] of Object.entries(PERMISSIONS)) {
  windowsTest.since(
    "2.8.0",
    `${library} needs ${permissions.join() || "nothing"} besides FFI`,
    async () => {
      const program = (...others: string[]) =>
        run([
          ...testProgram("node_libraries", "--no-prompt", KERNEL32, ...others),
          library,
          newPath(),
        ]);
      const { code, stdout, stderr } = await program(...permissions);
      assertEquals([code, stdout.trim(), stderr], [0, library, ""]);
      for (const permission of permissions) {
        const refused = await program(...permissions.filter((other) => other !== permission));
        assertEquals(refused.code, 1);
        assertStringIncludes(refused.stderr, permission.replace(/.*=/, ""));
      }
    },
  );
}
