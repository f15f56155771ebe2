/** HTTP over pipes of Windows, with node.exe or bun.exe and their own pipes at the other end. */

import { Buffer } from "node:buffer";
import v8 from "node:v8";
import vm from "node:vm";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { httpClient, type HttpServer, serveHttp } from "../../src/http/mod.ts";
import { WebSocketServer } from "../node/libraries.ts";
import { windowsTest } from "../win32/environment.ts";
import { NodePeer } from "./node_peer.ts";
import { Program, testProgram } from "./program.ts";
import { newPath, within } from "./support.ts";

/** The first version whose `node:http` takes any stream. */
const SINCE = "2.8.0";

const MIB = 1024 * 1024;
const LARGE = 64 * MIB;

/** A body of so many bytes, each MiB of them of another value. */
function large(length: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at === length) return controller.close();
      controller.enqueue(new Uint8Array(MIB).fill(at / MIB));
      at += MIB;
    },
  }, { highWaterMark: 0 });
}

/** The most memory that is in use outside of the heap, where buffers are, in the meantime. */
class Memory implements Disposable {
  readonly #before = used();
  #most = 0;
  readonly #timer = setInterval(() => this.#most = Math.max(this.#most, used()), 500);

  get most(): number {
    return this.#most - this.#before;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Old versions of Deno, in which these tests are skipped, cannot do that. */
function garbageCollector(): unknown {
  v8.setFlagsFromString("--expose-gc");
  return vm.runInNewContext("gc");
}

let collectGarbage: unknown;

function used(): number {
  collectGarbage ??= garbageCollector();
  assert(typeof collectGarbage === "function");
  collectGarbage();
  return Deno.memoryUsage().external;
}

/** What `asks` of `http_peer.mjs` expects. */
function serving(path: string): HttpServer {
  let send: ReadableStreamDefaultController<string> | undefined;
  let count = 0;
  const next = () => {
    if (++count > 3) send?.close();
    else send?.enqueue(`data: ${count}\n\n`);
  };
  const left = Promise.withResolvers<void>();
  return serveHttp({
    path,
    onError: () => new Response("thrown", { status: 500 }),
  }, async (request, { client, completed }) => {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/who":
        return Response.json({ url: request.url, pid: client.processId });
      case "/echo":
        return new Response(request.body);
      case "/large":
        return new Response(large(LARGE));
      case "/events": {
        const events = new ReadableStream<string>({
          start: (controller) => void (send = controller),
        });
        next();
        return new Response(events.pipeThrough(new TextEncoderStream()));
      }
      case "/next":
        next();
        return new Response();
      case "/endless":
        completed.catch(() => left.resolve());
        return new Response(large(Infinity));
      case "/left":
        await left.promise;
        return new Response("left");
    }
    throw new Error("unknown");
  });
}

for (const runtime of ["node", "bun"] as const) {
  windowsTest.since(SINCE, `http: serveHttp() answers ${runtime}.exe`, async () => {
    const path = newPath();
    await using _server = serving(path);
    using memory = new Memory();
    await using peer = new NodePeer("asks", path, "http_peer.mjs", runtime);
    await peer.succeeded();
    assert(memory.most < 16 * MIB, `${memory.most}`);
  });
}

windowsTest.since(SINCE, "http: serveHttp() is upgraded to WebSocket", async () => {
  const path = newPath();
  const sockets = new WebSocketServer({ noServer: true });
  await using _server = serveHttp({
    path,
    onUpgrade: (request, duplex, head) => {
      sockets.handleUpgrade(request, duplex, head, (socket) => {
        socket.on("message", (data, binary) => socket.send(data, { binary }));
      });
    },
  }, () => new Response("upgrade"));
  await using peer = new NodePeer("webSocketConnects", path);
  await peer.succeeded();
});

windowsTest.since(SINCE, "http: httpClient() asks node.exe", async () => {
  const path = newPath();
  await using peer = new NodePeer("answers", path, "http_peer.mjs");
  using client = httpClient({ path, connectTimeout: 60_000, maxConnections: 2 });
  const text = async (path: string, init?: RequestInit) =>
    await (await client.fetch(path, init)).text();
  const many = Array.from({ length: 50 }, async (_, i) => {
    assertEquals(await text("/echo", { method: "POST", body: `body ${i}` }), `body ${i}`);
  });
  await within("the answers", Promise.all(many), 60_000);
  assertEquals(await text("/count"), "2 0");
  using memory = new Memory();

  const down = await client.fetch("/large");
  let at = 0;
  for await (const chunk of down.body ?? []) {
    assertEquals(chunk[0], Math.floor(at / MIB) % 256);
    at += chunk.length;
  }
  assertEquals(at, LARGE);
  assertEquals(await text("/check", { method: "POST", body: large(LARGE) }), "checked");
  assert(memory.most < 16 * MIB, `${memory.most}`);
  const controller = new AbortController();
  const asking = client.fetch("/never", { signal: controller.signal });
  assertMatch(await text("/count"), / 0$/);
  controller.abort(new Error("enough"));
  await assertRejects(() => asking, Error, "enough");
  const end = Date.now() + 10_000;
  while (!(await text("/count")).endsWith(" 1")) assert(Date.now() < end);
  const { status, headers, readable, writable } = await client.upgrade("/x", {
    headers: { upgrade: "echo" },
  });
  assertEquals([status, headers.get("upgrade")], [101, "echo"]);
  const writer = writable.getWriter();
  await writer.write(Buffer.from("there"));
  let echoed = "";
  for await (const chunk of readable) {
    echoed += Buffer.from(chunk);
    if (echoed.length === 11) break;
  }
  assertEquals(echoed, "hello there");
  await client.fetch("/end").catch(() => {});
  await peer.succeeded();
});

const FFI = "--allow-ffi=C:\\Windows\\System32\\kernel32.dll";

windowsTest.since(
  SINCE,
  "http: --allow-ffi alone is enough, and both ends can let go",
  async () => {
    for (const permission of ["--allow-ffi", FFI]) {
      await using program = new Program([
        ...testProgram("http", "--no-prompt", permission),
        newPath(),
      ]);
      const { code, stdout, stderr } = await program.ended;
      assertEquals([code, stdout.replaceAll("\r", ""), stderr], [0, "POST: body\n", ""]);
    }
  },
);
