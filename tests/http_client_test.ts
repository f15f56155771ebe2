/** HTTP: a client over pipes in memory. */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { HttpClient, HttpClientOptions } from "../src/http/client.ts";
import { httpClientOn } from "../src/http/client.ts";
import { failing, fate, NAME } from "./fixture.ts";
import { type HttpWorld, inHttpWorld } from "./http/world.ts";
import { toDuplex } from "../src/node/mod.ts";
import { Buffer } from "node:buffer";

const encoder = new TextEncoder();

function clientIn(http: HttpWorld, options: Partial<HttpClientOptions> = {}): HttpClient {
  return httpClientOn(http.world.open, { path: NAME, ...options });
}

function echo(request: Request): Response {
  return new Response(request.body, {
    headers: { "x-length": `${request.headers.get("content-length")}` },
  });
}

inHttpWorld("fetch() takes paths, URLs and requests, and gives a Response", async (http) => {
  http.serve(async (request) => {
    const { method, url, headers } = request;
    return Response.json({ method, url, x: headers.get("x"), body: await request.text() });
  });
  using client = clientIn(http);
  const response = await client.fetch("/a?b", { headers: { x: "y" } });
  assert(response instanceof Response);
  assertEquals([response.status, response.ok, response.url], [200, true, "http://localhost/a?b"]);
  assertEquals(await response.json(), {
    method: "GET",
    url: "http://localhost/a?b",
    x: "y",
    body: "",
  });
  const posted = await client.fetch(new URL("http://docker/x"), { method: "POST", body: "text" });
  assertEquals(await posted.json(), {
    method: "POST",
    url: "http://docker/x",
    x: null,
    body: "text",
  });
  const request = new Request("http://a/r", { method: "PUT", body: "put" });
  assertEquals((await (await client.fetch(request)).json()).body, "put");
});

inHttpWorld("a body whose length is known is sent with it", async (http) => {
  http.serve(echo);
  using client = clientIn(http);
  const length = async (body: BodyInit) => {
    const response = await client.fetch("/", { method: "POST", body });
    await response.text();
    return response.headers.get("x-length");
  };
  assertEquals(await length("täxt"), "5");
  assertEquals(await length(encoder.encode("bytes")), "5");
  assertEquals(await length(new Blob(["blob"])), "4");
  assertEquals(await length(new URLSearchParams({ a: "b" })), "3");
  assertEquals(await length(new Blob(["stream"]).stream()), "null");
  assertEquals(await length(new FormData()), "null");
});

inHttpWorld("connections are kept, and bounded", async (http) => {
  const server = http.serve(() => new Response("done"));
  using client = clientIn(http, { maxConnections: 2 });
  const ids = new Set<number>();
  for (let i = 0; i < 3; i++) {
    await (await client.fetch("/")).text();
    await http.world.idle();
    for (const { id } of server.clients()) ids.add(id);
  }
  assertEquals(ids.size, 1);
  const all = Array.from({ length: 20 }, async () => (await client.fetch("/")).text());
  assertEquals(await Promise.all(all), Array(20).fill("done"));
  assertEquals(server.clients().length, 2);
});

inHttpWorld("a request that waits for a connection can be aborted", async (http) => {
  http.serve(() => new Promise(() => {}));
  const client = clientIn(http, { maxConnections: 1 });
  const first = fate(client.fetch("/"));
  const controller = new AbortController();
  const second = fate(client.fetch("/", { signal: controller.signal }));
  const third = fate(client.fetch("/"));
  controller.abort(new Error("enough"));
  await http.world.idle();
  assertEquals([first.state, `${second.error}`, third.state], [
    "pending",
    "Error: enough",
    "pending",
  ]);
  client.close();
  await http.world.idle();
  assertEquals([first.state, third.state], ["rejected", "rejected"]);
});

inHttpWorld("no body: HEAD, 204 and 304", async (http) => {
  const server = http.serve(({ url }) => {
    const status = Number(url.slice(-3));
    return status === 200 ? new Response("text") : new Response(null, { status });
  });
  using client = clientIn(http);
  for (const [path, method] of [["/200", "HEAD"], ["/204", "GET"], ["/304", "GET"]]) {
    const response = await client.fetch(`${path}`, { method: `${method}` });
    assertEquals([response.status, response.body], [Number(path?.slice(1)), null]);
    await http.world.idle();
  }
  assertEquals(server.clients().length, 1);
});

inHttpWorld("an abort rejects with its reason, before the response and after", async (http) => {
  const aborted: string[] = [];
  http.serve((request) => {
    request.signal.addEventListener("abort", () => aborted.push(new URL(request.url).pathname));
    if (request.url.endsWith("/never")) return new Promise(() => {});
    const pull = (controller: ReadableStreamDefaultController) => {
      controller.enqueue(new Uint8Array(65_536));
    };
    return new Response(new ReadableStream({ pull }));
  });
  using client = clientIn(http);
  const reason = new Error("enough");
  await assertRejects(
    () => client.fetch("/", { signal: AbortSignal.abort(reason) }),
    Error,
    "enough",
  );
  const first = new AbortController();
  const asking = fate(client.fetch("/never", { signal: first.signal }));
  await http.world.idle();
  first.abort(reason);
  await http.world.idle();
  assertEquals(asking.error, reason);
  const second = new AbortController();
  const response = await client.fetch("/stream", { signal: second.signal });
  second.abort(reason);
  await assertRejects(() => response.arrayBuffer(), Error, "enough");
  const third = await client.fetch("/cancelled");
  await third.body?.cancel();
  await http.world.idle();
  assertEquals(aborted, ["/never", "/stream", "/cancelled"]);
});

inHttpWorld("a body that fails closes the connection, and rejects", async (http) => {
  const errors: unknown[] = [];
  http.serve(async (request) => {
    await request.text().catch((error) => errors.push(error.name));
    return new Response();
  });
  using client = clientIn(http);
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode("part")),
    pull: async (controller) => {
      await http.world.idle();
      controller.error(new Error("broken"));
    },
  });
  await assertRejects(() => client.fetch("/", { method: "POST", body }), Error, "broken");
  await http.world.idle();
  assertEquals(errors, ["AbortError"]);
});

/** A server that answers each connection by a function. */
function raw(
  http: HttpWorld,
  answer: (connection: number, write: (text: string) => void, end: () => void) => void,
) {
  const listener = http.world.listen({ type: "byte" });
  let count = 0;
  (async () => {
    for await (const conn of listener) {
      const duplex = toDuplex(conn);
      const connection = ++count;
      duplex.on("error", () => {});
      duplex.on("data", () => answer(connection, (text) => duplex.write(text), () => duplex.end()));
    }
  })();
}

inHttpWorld("what is no HTTP, or ends too early, is a TypeError with its cause", async (http) => {
  const answers = [
    "garbage\r\n\r\n",
    "",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
  ];
  raw(http, (connection, write, end) => {
    write(answers[connection - 1] ?? "");
    end();
  });
  for (const _ of answers) {
    using client = clientIn(http);
    const error = await assertRejects(
      () => client.fetch("/x"),
      TypeError,
      'Cannot fetch "http://localhost/x"',
    );
    assertInstanceOf(error.cause, Error);
  }
});

inHttpWorld(
  "a status that no Response can have is a TypeError, and ends its connection",
  async (http) => {
    const odd = ["700 Odd", "150 Odd", "200 a\u0001b"];
    raw(http, (connection, write) => {
      const status = odd[connection - 1];
      write(
        status === undefined
          ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
          : `HTTP/1.1 ${status}\r\nContent-Length: 4\r\n\r\nbody`,
      );
    });
    using client = clientIn(http, { maxConnections: 1 });
    for (const _ of odd) {
      await assertRejects(() => client.fetch("/x"), TypeError, 'Cannot fetch "http://localhost/x"');
    }
    assertEquals(await (await client.fetch("/x")).text(), "done");
  },
);

inHttpWorld("a response that is cut off is an error of its body", async (http) => {
  raw(http, (_, write, end) => {
    write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    end();
  });
  using client = clientIn(http);
  const response = await client.fetch("/");
  await assertRejects(() => response.text(), TypeError);
});

inHttpWorld("a request is sent again if the kept connection was just closed", async (http) => {
  const seen: number[] = [];
  const times = new Map<number, number>();
  raw(http, (connection, write, end) => {
    seen.push(connection);
    const time = (times.get(connection) ?? 0) + 1;
    times.set(connection, time);
    if (time === 2) end();
    else write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  using client = clientIn(http);
  assertEquals(await (await client.fetch("/")).text(), "ok");
  await http.world.idle();
  assertEquals(await (await client.fetch("/")).text(), "ok");
  assertEquals(seen, [1, 1, 2]);
  await http.world.idle();
  await assertRejects(() => client.fetch("/", { method: "POST" }), TypeError);
});

inHttpWorld("what connect() throws is thrown as it is", async (http) => {
  using client = clientIn(http, { missing: "fail" });
  await assertRejects(() => client.fetch("/"), Deno.errors.NotFound);
  await assertRejects(() => client.upgrade("/"), Deno.errors.NotFound);
  const control = failing(http.world.kernel, "open", 1_117);
  const error = await assertRejects(() => client.fetch("/"), Error);
  assertFalse(error instanceof TypeError);
  control.on = false;
});

inHttpWorld("close() ends what is being asked, and all connections", async (http) => {
  const server = http.serve(() => new Promise(() => {}));
  const client = clientIn(http);
  const asking = fate(client.fetch("/"));
  await http.world.idle();
  client.close();
  client.close();
  await http.world.idle();
  assertInstanceOf(asking.error, TypeError);
  assertEquals(server.clients(), []);
  await assertRejects(() => client.fetch("/"), TypeError, "closed");
});

inHttpWorld("close() ends what waits to be connected", async (http) => {
  for (const ask of ["fetch", "upgrade"] as const) {
    const client = clientIn(http);
    const asking = fate<unknown>(client[ask]("/"));
    await http.world.idle();
    assertEquals(asking.state, "pending");
    client.close();
    await http.world.idle();
    assertInstanceOf(asking.error, TypeError);
    assertEquals(asking.error.message, "Cannot fetch: the client is closed");
  }
});

inHttpWorld("close() ends an upgrade that is not answered", async (http) => {
  const server = http.serve(() => new Promise(() => {}));
  const client = clientIn(http);
  const asking = fate(client.upgrade("/"));
  await http.world.idle();
  assertEquals([asking.state, server.clients().length], ["pending", 1]);
  client.close();
  await http.world.idle();
  assertInstanceOf(asking.error, TypeError);
  assertEquals(server.clients(), []);
});

inHttpWorld(
  "an upgrade that is aborted as soon as it is connected leaves nothing",
  async (http) => {
    const server = http.serve(() => new Promise(() => {}));
    using client = clientIn(http);
    const controller = new AbortController();
    const asking = fate(client.upgrade("/", { signal: controller.signal }));
    for (let i = 0; server.clients().length === 0 && i < 100; i++) await Promise.resolve();
    controller.abort(new Error("enough"));
    await http.world.idle();
    assertEquals(`${asking.error}`, "Error: enough");
    assertEquals(server.clients(), []);
  },
);

inHttpWorld("arguments are checked", async (http) => {
  assertThrows(() => clientIn(http, { maxConnections: 0 }), RangeError, '"maxConnections"');
  assertThrows(() => clientIn(http, { path: "" }), TypeError);
  using client = clientIn(http);
  await assertRejects(() => client.fetch("https://localhost/"), TypeError, 'with "http:"');
  await assertRejects(() => client.fetch("relative"), TypeError, "begins with a slash");
  await assertRejects(() => client.fetch("/", { method: "GET", body: "x" }), TypeError);
});

for (const halfClose of ["none", "empty-message"] as const) {
  inHttpWorld(`upgrade() gives both directions (halfClose: ${halfClose})`, async (http) => {
    const options = halfClose === "none" ? {} : { halfClose, type: "message" } as const;
    http.serve(async (request) => new Response(`no: ${await request.text()}`, { status: 409 }), {
      ...options,
      onUpgrade(request, duplex, head) {
        const bodies = [head];
        duplex.write(
          `HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\nfirst `,
        );
        duplex.on("data", (chunk) => {
          bodies.push(chunk);
          if (halfClose === "none") duplex.end(`${Buffer.concat(bodies)}`);
        });
        if (halfClose !== "none") duplex.on("end", () => duplex.end(`${Buffer.concat(bodies)}`));
      },
    });
    using client = clientIn(http, { halfClose });
    const { status, headers, readable, writable } = await client.upgrade("/exec", {
      method: "POST",
    });
    assertEquals([status, headers.get("upgrade")], [101, "tcp"]);
    const writer = writable.getWriter();
    await writer.write(encoder.encode("sent"));
    if (halfClose !== "none") await writer.close();
    assertEquals(await new Response(readable).text(), "first sent");
  });
}

inHttpWorld("upgrade() may be refused", async (http) => {
  http.serve(async (request) => new Response(`no: ${await request.text()}`, { status: 409 }));
  using client = clientIn(http);
  const { status, readable, writable } = await client.upgrade("/", {
    method: "POST",
    body: "body",
  });
  assertEquals([status, await new Response(readable).text()], [409, "no: body"]);
  await assertRejects(() => writable.getWriter().write(encoder.encode("x")), TypeError);
});

inHttpWorld("an upgrade that the server does not mean is a TypeError", async (http) => {
  raw(http, (_, write) => write("HTTP/1.1 101 Switching\r\nUpgrade: tcp\r\n\r\n"));
  using client = clientIn(http);
  await assertRejects(() => client.upgrade("/"), TypeError, '"Connection: Upgrade" is missing');
});
