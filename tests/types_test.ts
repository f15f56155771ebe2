/**
 * What compiles, and what does not: everyday programs under the strict options of this repository.
 *
 * Nothing is run here. A line that must not compile stands behind `@ts-expect-error`, which is an
 * error itself where there is none.
 */

// deno-lint-ignore-file no-console

import { assertEquals } from "@std/assert";
import type {
  call,
  CallOptions,
  ClientOptions,
  CloseReason,
  connect,
  ConnectOptions,
  Exchange,
  exchanges,
  ExchangesOptions,
  Message,
  notify,
  PipeClient,
  PipeConn,
  PipeExchanges,
  PipeServer,
  Reply,
  Responder,
  serve,
  ServeOptions,
  ShutdownReport,
} from "../mod.ts";
import type { ClientSettings } from "../src/options/client_settings.ts";
import type { ServerSettings } from "../src/options/server_settings.ts";

interface Module {
  serve: typeof serve;
  exchanges: typeof exchanges;
  connect: typeof connect;
  call: typeof call;
  notify: typeof notify;
}

/** Type-checks a program, and does not run it. */
function compiles(program: (module: Module) => unknown): void {
  assertEquals(typeof program, "function");
}

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

type Extends<A, B> = A extends B ? true : false;

function assertType<_T extends true>(): void {}

const options = { path: "x" };

Deno.test("a responder may be any everyday function", () => {
  compiles(({ serve }) => {
    serve(options, () => {});
    serve(options, () => "text");
    serve(options, (request) => request);
    serve(options, (r) => console.log(r));
    serve(options, (request) => {
      console.log(request.length);
    });
    serve(options, (request) => {
      if (request.length === 0) return;
      return request.subarray(1);
    });
    serve(options, (request) => request.length > 0 ? "text" : undefined);
    serve(options, (_request, { reply }) => {
      reply("text");
    });
    serve(options, async (_request, exchange) => {
      await exchange.send("one");
      await exchange.reply("two");
    });
    serve(options, (_request, exchange) => exchange.reply("text"));
    serve(options, (_request, { text }) => text().toUpperCase());
    serve(options, (_request, { json }) => JSON.stringify(json()));
    serve(options, () => Promise.resolve());
    serve(options, () => Promise.resolve("text"));
    serve(options, () => Promise.resolve(new Uint8Array(1)));
    serve(options, (request) => Math.random() < 0.5 ? request : Promise.resolve(request));
    serve(options, () => new Uint8Array(new SharedArrayBuffer(1)));
  });
});

function namedVoid(_request: Uint8Array): void {}

async function namedPromiseOfVoid(_request: Uint8Array): Promise<void> {
  await Promise.resolve();
}

function namedText(_request: Uint8Array<ArrayBuffer>, exchange: Exchange): string {
  return exchange.text();
}

function namedMaybe(request: Uint8Array): string | undefined {
  return request.length > 0 ? "text" : undefined;
}

async function* namedGenerator(request: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(request);
}

Deno.test("a responder may be a named function with a type of its own", () => {
  compiles(({ serve }) => {
    serve(options, namedVoid);
    serve(options, namedPromiseOfVoid);
    serve(options, namedText);
    serve(options, namedMaybe);
    serve(options, namedGenerator);
    const typed: Responder = namedPromiseOfVoid;
    serve(options, typed);
  });
});

Deno.test("a responder may be an async generator", () => {
  compiles(({ serve }) => {
    serve(options, async function* () {});
    serve(options, async function* (_request, exchange) {
      for (const word of exchange.text().split(" ")) yield word;
    });
    serve(options, async function* (request) {
      yield "text";
      yield request;
      if (request.length === 0) return;
      await Promise.resolve();
      yield new Uint8Array(1);
    });
    serve(options, async function* () {
      yield* [new Uint8Array(1), "text"];
    });
    const readable = new ReadableStream<Uint8Array>();
    serve(options, () => readable);
  });
});

Deno.test("a request can be given to the functions of the platform", () => {
  compiles(({ serve }) => {
    serve(options, async (request) => {
      return new Uint8Array(await crypto.subtle.digest("SHA-256", request));
    });
    serve(options, async (request) => await new Response(request).text());
    serve(options, (request) => new Response(request).bytes());
    serve(options, (request) => {
      const blob: Blob = new Blob([request]);
      const view = new DataView(request.buffer, request.byteOffset);
      const memory: ArrayBuffer = request.buffer;
      return `${blob.size} ${view.byteLength} ${memory.byteLength}`;
    });
    serve(options, async (request) => {
      await Deno.writeFile("file", request);
      const socket = new WebSocket("ws://example.org");
      socket.send(request);
      structuredClone(request, { transfer: [request.buffer] });
    });
    serve(options, async (_request, { signal }) => {
      const response = await fetch("https://example.org", { signal });
      return new Uint8Array(await response.arrayBuffer());
    });
  });
});

Deno.test("a responder that answers with something else does not compile", () => {
  compiles(({ serve }) => {
    // @ts-expect-error A number is no message.
    serve(options, () => 5);
    // @ts-expect-error Nor is null.
    serve(options, () => null);
    // @ts-expect-error Nor is a boolean.
    serve(options, (request) => request.length > 0);
    // @ts-expect-error Memory is not bytes.
    serve(options, (request) => request.buffer);
    // @ts-expect-error The result of a digest is memory.
    serve(options, (request) => crypto.subtle.digest("SHA-256", request));
    // @ts-expect-error Several messages take an async generator.
    serve(options, () => ["one", "two"]);
    // @ts-expect-error An ordinary generator is none.
    serve(options, function* () {
      yield "text";
    });
    // @ts-expect-error Nor is one of numbers.
    serve(options, async function* () {
      yield await Promise.resolve(5);
    });
    // @ts-expect-error An object is no message.
    serve(options, (_request, exchange) => ({ text: exchange.text() }));
    // @ts-expect-error What was parsed may be anything.
    serve(options, (_request, exchange) => exchange.json());
    // @ts-expect-error A promise of a number.
    serve(options, () => Promise.resolve(5));
    // @ts-expect-error A Response is no message.
    serve(options, (request) => new Response(request));
    // @ts-expect-error Numbers of 16 bits are not bytes.
    serve(options, () => new Uint16Array(1));
    // @ts-expect-error There is no responder.
    serve(options);
    // @ts-expect-error The responder comes second.
    serve(() => "text", options);
    // @ts-expect-error A request is not text.
    serve(options, (request: string) => request);
  });
});

Deno.test("what a program is given cannot be assigned", () => {
  type Data = Pick<Exchange, "instance" | "client" | "request" | "signal">;
  assertType<Same<Data, Readonly<Data>>>();
  assertType<Same<Exchange["instance"], Readonly<Exchange["instance"]>>>();
  assertType<Same<Pick<PipeClient, "id">, Readonly<Pick<PipeClient, "id">>>>();
  assertType<Same<Pick<PipeServer, "path">, Readonly<Pick<PipeServer, "path">>>>();
});

Deno.test("the members of an exchange work when they are taken off it", () => {
  compiles(async ({ exchanges }) => {
    for await (
      const { instance, client, request, signal, text, json, send, reply } of exchanges(options)
    ) {
      assertType<Same<typeof request, Uint8Array<ArrayBuffer>>>();
      assertType<Same<typeof signal, AbortSignal>>();
      assertType<Same<typeof client, PipeClient>>();
      assertType<Same<typeof instance.id, number>>();
      assertType<Same<ReturnType<typeof text>, string>>();
      assertType<Same<ReturnType<typeof json>, unknown>>();
      assertType<Same<Parameters<typeof send>, [message: Message]>>();
      assertType<Same<Parameters<typeof reply>, [message?: Message | undefined]>>();
      send("one");
      reply(request);
      new WeakMap<PipeClient, number>().set(client, 1);
      client.close();
    }
  });
});

Deno.test("exchanges() is used as an async generator", () => {
  compiles(async ({ exchanges }) => {
    await using generator = exchanges(options);
    assertType<Same<typeof generator, PipeExchanges>>();
    assertType<Extends<PipeExchanges, AsyncGenerator<Exchange, void, void>>>();
    const { done, value } = await generator.next();
    if (!done) value.reply();
    await generator.return();
    // @ts-expect-error It may have ended.
    value.reply();
  });
});

Deno.test("options that are misspelt, missing or of a wrong type do not compile", () => {
  compiles(({ serve, exchanges, connect, call }) => {
    const respond = () => {};
    // @ts-expect-error It is misspelt.
    serve({ path: "x", instance: 4 }, respond);
    // @ts-expect-error The name is missing.
    serve({ instances: 4 }, respond);
    // @ts-expect-error Options are an object, and a name is none.
    serve("x", respond);
    // @ts-expect-error It has a wrong type.
    serve({ path: undefined }, respond);
    // @ts-expect-error It has a wrong type.
    serve({ path: "x", instances: null }, respond);
    // @ts-expect-error It has a wrong type.
    serve({ path: "x", onError: () => 5 }, respond);
    // @ts-expect-error Only serve() has responders.
    exchanges({ path: "x", concurrency: 4 });
    // @ts-expect-error There is no responder here.
    exchanges({ path: "x" }, respond);
    // @ts-expect-error It has a wrong type.
    connect({ path: "x", missing: "retry" });
    // @ts-expect-error Only servers have instances.
    connect({ path: "x", instances: 4 });
    // @ts-expect-error The name is missing.
    connect({ timeout: 5 });
    // @ts-expect-error The message is missing.
    call("x");
    // @ts-expect-error That is no message.
    call("x", 5);
    // @ts-expect-error The name is the first argument.
    call("x", "message", { path: "y" });
  });
});

Deno.test("every option may be given as undefined", () => {
  type Undefined<T> = { [K in keyof T]: K extends "path" ? T[K] : T[K] | undefined };
  assertType<Extends<Undefined<Required<ExchangesOptions>>, ExchangesOptions>>();
  assertType<Extends<Undefined<Required<ServeOptions>>, ServeOptions>>();
  assertType<Extends<Undefined<Required<ConnectOptions>>, ConnectOptions>>();
  assertType<Extends<Undefined<Required<CallOptions>>, CallOptions>>();
  compiles(async ({ serve, connect, call }) => {
    serve(options, () => {}).shutdown({ timeout: undefined });
    call("x", "message", undefined);
    const conn = await connect(options);
    conn.request("message", { signal: undefined });
    conn.send("message", { signal: undefined });
    conn.receive({ signal: undefined });
  });
});

Deno.test("hooks know their arguments, and may be asynchronous", () => {
  compiles(({ serve }) => {
    serve({
      path: "x",
      onListen: ({ path }) => path.length,
      onDisconnect(client, reason, error) {
        assertType<Same<typeof client, PipeClient>>();
        assertType<Same<typeof reason, CloseReason>>();
        assertType<Same<typeof error, unknown>>();
      },
      onError(error, exchange) {
        assertType<Same<typeof error, unknown>>();
        return `${error} ${exchange.client.id}`;
      },
    }, () => {});
    serve({ path: "x", onDisconnect: async () => await Promise.resolve() }, () => {});
    serve({ path: "x", onError: async () => await Promise.resolve("text") }, () => {});
    serve({ path: "x", onError: () => {} }, () => {});
    serve({ path: "x", onError: (error) => console.log(error) }, () => {});
  });
});

Deno.test("a server has the shape of Deno.HttpServer", () => {
  compiles(async ({ serve }) => {
    await using server = serve(options, () => {});
    assertType<Same<typeof server, PipeServer>>();
    assertType<Same<typeof server.finished, Promise<void>>>();
    const report: ShutdownReport = await server.shutdown({ timeout: 5 });
    assertType<Same<typeof report.exchanges, number>>();
    assertType<Same<typeof report.evicted, number>>();
    assertType<Same<typeof report.dropped, number>>();
    const path: string = server.path;
    // @ts-expect-error It is read-only.
    server.path = path;
    // @ts-expect-error Options are an object.
    server.shutdown(5);
    // What waits for a server of either kind takes this one.
    const either: Pick<Deno.HttpServer, "finished"> & AsyncDisposable = server;
    await either.finished;
  });
});

Deno.test("a connection can be used, iterated and closed", () => {
  compiles(async ({ connect, call, notify }) => {
    await using conn = await connect(options);
    using other: PipeConn = await connect(options);
    assertType<Same<typeof other.type, "message" | "byte">>();
    const answer = await conn.request("message");
    assertType<Same<typeof answer, Uint8Array<ArrayBuffer>>>();
    const message = await conn.receive();
    assertType<Same<typeof message, Uint8Array<ArrayBuffer> | null>>();
    for await (const item of conn) assertType<Same<typeof item, Uint8Array<ArrayBuffer>>>();
    const called = await call("x", new Uint8Array(1));
    await crypto.subtle.digest("SHA-256", called);
    const decoded = await call("x", "message", { as: "text" });
    assertType<Same<typeof decoded, string>>();
    const parsed = await call("x", "message", { as: "json" });
    assertType<Same<typeof parsed, unknown>>();
    const notified = await notify("x", "message", { connectTimeout: 5 });
    assertType<Same<typeof notified, void>>();
    // @ts-expect-error There is no answer.
    notify("x", "message", { as: "text" });
    // @ts-expect-error There may be none.
    message.length;
    // @ts-expect-error That is no message.
    conn.send(5);
    other.close();
  });
});

Deno.test("the types of the interface are those that are documented", () => {
  assertType<Same<Message, string | Uint8Array>>();
  assertType<Same<Reply, Message | undefined | void>>();
  assertType<
    Same<
      CloseReason,
      | ("peer" | "self" | "stopped" | "shutdown" | "error" | "unauthorized")
      | ("maxMessage" | "maxQueued" | "maxPerProcess")
      | ("idleTimeout" | "writeTimeout" | "responderTimeout")
    >
  >();
  assertType<
    Same<ReturnType<Responder>, Reply | Promise<Reply> | AsyncIterable<Message>>
  >();
  assertType<Same<Parameters<Responder>, [Uint8Array<ArrayBuffer>, Exchange]>>();
  assertType<
    Same<
      keyof ExchangesOptions,
      | ("path" | "instances" | "maxInstances" | "readBufferSize" | "writeBufferSize")
      | ("waitTimeout" | "access" | "remote" | "authorize" | "signal")
      | ("onListen" | "onConnect" | "onDisconnect")
      | ("maxMessage" | "maxBuffered" | "maxQueued" | "maxPerProcess" | "framing")
      | ("type" | "join")
      | ("idleTimeout" | "writeTimeout" | "responderTimeout")
    >
  >();
  assertType<Same<keyof ServeOptions, keyof ExchangesOptions | "concurrency" | "onError">>();
  assertType<
    Same<
      keyof ClientOptions,
      "connectTimeout" | "missing" | "maxMessage" | "owner" | "framing" | "impersonation" | "signal"
    >
  >();
  assertType<Same<keyof CallOptions, keyof ClientOptions | "as">>();
  assertType<
    Same<
      keyof ConnectOptions,
      keyof ClientOptions | "path" | "direction" | "halfClose" | "writeTimeout"
    >
  >();
  assertType<
    Same<
      keyof Exchange,
      "instance" | "client" | "request" | "signal" | "draining" | "text" | "json" | "send" | "reply"
    >
  >();
  // @ts-expect-error And the comparison can tell types apart.
  assertType<Same<Message, string | Uint8Array<ArrayBuffer>>>();
});

Deno.test("every option that is documented is checked, and no other", () => {
  assertType<
    Same<keyof ExchangesOptions, Exclude<keyof ServerSettings, "identifies" | "direction">>
  >();
  assertType<Same<keyof ConnectOptions, keyof ClientSettings>>();
});
