/** HTTP: a server over pipes in memory, and raw clients. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import type { HttpInfo } from "../src/http/options.ts";
import { checkVersion } from "../src/http/supported.ts";
import { serveHttpOn } from "../src/http/serve_http.ts";
import { fate, nextTask } from "./fixture.ts";
import { inHttpWorld } from "./http/world.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const encoder = new TextEncoder();

function post(body: string, headers = ""): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${headers}\r\n${body}`;
}

function echo(request: Request): Response {
  return new Response(request.body, { headers: { "content-type": "text/plain" } });
}

inHttpWorld("a handler is given a Request, and the client's description", async (http) => {
  const infos: HttpInfo[] = [];
  const { server, client } = await http.pair(async (request, info) => {
    infos.push(info);
    assert(request instanceof Request);
    const copy = new Request(request.clone(), { headers: { "x-copy": "yes" } });
    const { method, url, headers } = request;
    return Response.json({
      method,
      url,
      x: headers.get("x"),
      text: await request.text(),
      copy: [await copy.text(), copy.headers.get("x-copy")],
    }, { status: 201, statusText: "Made", headers: [["set-cookie", "a"], ["set-cookie", "b"]] });
  });
  const { head, body } = await client.ask(
    "PUT /a/b?c=d HTTP/1.1\r\nHost: host:8\r\nX: 1\r\nX: 2\r\nContent-Length: 4\r\n\r\nbody",
  );
  assertMatch(head, /^HTTP\/1.1 201 Made\r\n/);
  assertMatch(head, /set-cookie: a\r\nset-cookie: b\r\n/);
  assertEquals(JSON.parse(body), {
    method: "PUT",
    url: "http://host:8/a/b?c=d",
    x: "1, 2",
    text: "body",
    copy: ["body", "yes"],
  });
  const [info] = infos;
  assertEquals(info?.client.id, server.clients()[0]?.id);
  await info?.completed;
});

inHttpWorld("the URL is that of the path, with the host that the client names", async (http) => {
  const { client } = await http.pair(({ url }) => new Response(url));
  const cases: [request: string, url: string][] = [
    ["GET /x HTTP/1.1\r\nHost: docker\r\n\r\n", "http://docker/x"],
    ["GET //evil/x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "http://[::1]//evil/x"],
    ["GET /x HTTP/1.1\r\nHost:\r\n\r\n", "http://localhost/x"],
    ["GET http://other/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "http://other/x?y"],
    ["GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "http://localhost/x"],
  ];
  for (const [request, url] of cases) assertEquals((await client.ask(request)).body, url);
});

inHttpWorld("connections are kept, also for requests that come at once", async (http) => {
  const { server, client } = await http.pair(({ url }) => new Response(url.slice(-1)));
  await client.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals([(await client.response()).body, (await client.response()).body], ["1", "2"]);
  assertEquals((await client.ask("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n")).body, "3");
  assertEquals(server.clients().length, 1);
  const last = await client.ask("GET /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assertMatch(last.head, /connection: close/i);
  assertEquals(await client.remaining(), "");
});

inHttpWorld(
  "a body that is there at once has its length, another comes in chunks",
  async (http) => {
    const chunks = Promise.withResolvers<void>();
    const { client } = await http.pair(({ url }) => {
      if (url.endsWith("/text")) return new Response("text");
      if (url.endsWith("/empty")) return new Response("");
      if (url.endsWith("/null")) return new Response(null);
      if (url.endsWith("/204")) return new Response(null, { status: 204 });
      if (url.endsWith("/304")) return new Response(null, { status: 304 });
      const body = new ReadableStream({
        async start(controller) {
          await chunks.promise;
          controller.enqueue(encoder.encode("one"));
          await nextTask();
          controller.enqueue(encoder.encode("two"));
          controller.close();
        },
      });
      return new Response(body);
    });
    const ask = (method: string, path: string) =>
      client.ask(`${method} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assertMatch((await ask("GET", "/text")).head, /content-length: 4\r\n/i);
    assertMatch((await ask("GET", "/empty")).head, /content-length: 0\r\n/i);
    assertMatch((await ask("GET", "/null")).head, /content-length: 0\r\n/i);
    for (const path of ["/204", "/304"]) {
      const { head } = await ask("GET", path);
      assert(!/content-length|transfer-encoding/i.test(head), head);
    }
    await client.write("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    // The head does not wait for the body.
    assertMatch(await client.until("\r\n\r\n"), /transfer-encoding: chunked/i);
    chunks.resolve();
    assertEquals(await client.until("0\r\n\r\n"), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    await client.write("HEAD /text HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.until("\r\n\r\n");
    assertEquals((await ask("GET", "/text")).body, "text");
  },
);

function late(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) return controller.close();
      controller.enqueue(encoder.encode(chunk));
      for (let i = 0; i < 3; i++) await nextTask();
    },
  });
}

const FIVE = { headers: { "content-length": "5", "set-cookie": "a=b" }, statusText: "Made" };
const UNUSABLE: Record<string, [response: () => Response, reason: RegExp]> = {
  "Response.error()": [() => Response.error(), /Response\.error\(\)/],
  "a body that is too short": [() => new Response("four", FIVE), /another length/],
  "a body that is too long": [() => new Response("longer", FIVE), /another length/],
  "a long body that comes late": [() => new Response(late("longer"), FIVE), /another length/],
  "no body": [() => new Response(null, FIVE), /another length/],
  "a header with a control character": [
    () => new Response("text", { headers: { "x-name": "a\x01b" } }),
    /x-name/,
  ],
  "a header with a control character, and a body that comes late": [
    () => new Response(late("", "text"), { headers: { "set-cookie": "a=b", "x-name": "a\x01b" } }),
    /x-name/,
  ],
  "no length": [
    () => new Response("text", { headers: { "content-length": "0x4" } }),
    /another length/,
  ],
};

for (const [what, [response, reason]] of Object.entries(UNUSABLE)) {
  inHttpWorld(`a response that cannot be sent is answered for with 500: ${what}`, async (http) => {
    const { client } = await http.pair(response);
    const { status, head, body } = await client.ask(GET);
    assertEquals([status, body], [500, "Internal Server Error\n"]);
    assertMatch(head, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
    assert(!head.includes("set-cookie"), head);
    assertMatch(`${http.world.reports.splice(0).join()}`, reason);
    assertEquals((await client.ask(GET)).status, 500);
    http.world.reports.splice(0);
  });
}

inHttpWorld("onError answers for a response that cannot be sent", async (http) => {
  const { client } = await http.pair(() => new Response("four", FIVE), {
    onError: (error) => new Response(`${error}`, { status: 502 }),
  });
  const { status, body } = await client.ask(GET);
  assertEquals(status, 502);
  assertMatch(body, /another length/);
});

inHttpWorld("a body that turns out to be of another length is cut off", async (http) => {
  let cancelled: unknown;
  const { client } = await http.pair(({ url }) => {
    if (url.endsWith("/short")) return new Response(late("four"), FIVE);
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(encoder.encode("four")),
      cancel: (error) => cancelled = error,
    });
    return new Response(body, FIVE);
  });
  await client.write("GET /short HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.until("\r\n\r\n");
  assertEquals(await client.remaining(), "four");
  const other = await http.client();
  assertEquals((await other.ask(GET)).status, 500);
  assertMatch(`${cancelled}`, /another length/);
  assertEquals(http.world.reports.splice(0).length, 2);
});

inHttpWorld("how a response was sent elsewhere is not how it is sent here", async (http) => {
  const headers = { "transfer-encoding": "chunked", "trailer": "x-sum" };
  const { client } = await http.pair(({ url }) => {
    if (url.endsWith("/late")) return new Response(late("a", "b"), { headers });
    if (!url.endsWith("/five")) return new Response("text", { headers });
    return new Response(late("five!"), { headers: { ...headers, "content-length": "5" } });
  });
  const { head, body } = await client.ask(GET);
  assertMatch(head, /content-length: 4\r\n/);
  assert(!/transfer-encoding/i.test(head), head);
  assertEquals(body, "text");
  const chunked = await client.ask("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals(chunked.head.match(/transfer-encoding/gi)?.length, 1);
  assertEquals(chunked.body, "ab");
  const five = await client.ask("GET /five HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals(five.body, "five!");
  for (const { head } of [chunked, five]) assert(!/^trailer/mi.test(head), head);
});

inHttpWorld("a response to HEAD, and 304, may tell a length without a body", async (http) => {
  const { client } = await http.pair(({ method }) =>
    new Response(null, { ...FIVE, status: method === "HEAD" ? 200 : 304 })
  );
  for (const method of ["HEAD", "GET"]) {
    await client.write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    assertMatch(await client.until("\r\n\r\n"), /content-length: 5\r\n/);
  }
});

inHttpWorld("bodies go both ways at once, in bounded memory", async (http) => {
  const { client } = await http.pair(echo);
  const part = "x".repeat(10_000);
  const size = 800;
  await client.write(
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size * part.length}\r\n\r\n`,
  );
  const written: string[] = [];
  const writing = (async () => {
    for (let i = 0; i < size; i++) {
      await client.write(part);
      written.push("");
    }
  })();
  await client.until("\r\n\r\n");
  await http.world.idle();
  // Until the client reads, no more is taken than buffers hold.
  assert(written.length < 100, `${written.length}`);
  let received = 0;
  while (received < size * part.length) {
    const length = parseInt(await client.until("\r\n"), 16);
    received += (await client.take(length + 2)).length - 2;
  }
  await writing;
  assertEquals(received, size * part.length);
});

inHttpWorld("server-sent events arrive one by one", async (http) => {
  let send: ReadableStreamDefaultController<string> | undefined;
  const { client } = await http.pair(() => {
    const body = new ReadableStream<string>({ start: (controller) => void (send = controller) });
    return new Response(body.pipeThrough(new TextEncoderStream()), {
      headers: { "content-type": "text/event-stream" },
    });
  });
  await client.write(GET);
  await client.until("\r\n\r\n");
  for (const data of ["one", "two"]) {
    send?.enqueue(`data: ${data}\n\n`);
    assertMatch(await client.until("\n\n\r\n"), new RegExp(`data: ${data}`));
  }
  send?.close();
  await client.until("0\r\n\r\n");
});

inHttpWorld("Expect: 100-continue, chunked bodies and HTTP/1.0", async (http) => {
  const { client } = await http.pair(echo);
  await client.write(
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
  );
  assertEquals((await client.response()).status, 100);
  assertEquals((await client.ask("ab")).body, "ab");
  const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const { body } = await client.ask(
    `${chunked}2;a=b\r\nab\r\n3\r\ncde\r\n0\r\nX-Trailer: 1\r\n\r\n`,
  );
  assertEquals(body, "abcde");
  await client.write("POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab");
  assertMatch(await client.remaining(), /\r\nab$|\r\n\r\n.*ab/s);
});

function keepRunning(): Disposable {
  const timer = setInterval(() => {}, 10_000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

const REFUSED: Record<string, string> = {
  "two lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
  "a list of lengths": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab",
  "a length with a sign": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab",
  "a length and chunks":
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "chunks that are not last":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
  "an unknown coding": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
  "two codings": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "chunks in HTTP/1.0": "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "a space before a colon":
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
  "obsolete folding": "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
  "a bare CR": "GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n",
  "bare LFs": "GET / HTTP/1.1\nHost: a\n\n",
  "a NUL": "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
  "no host": "GET / HTTP/1.1\r\n\r\n",
  "two hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
  "a host with a path": "GET / HTTP/1.1\r\nHost: a/b?\r\n\r\n",
  "a host with a user": "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
  "no path": "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "another protocol": "\x16\x03\x01\r\n\r\n",
};

for (const [what, request] of Object.entries(REFUSED)) {
  inHttpWorld(`refused: ${what}`, async (http) => {
    let calls = 0;
    const { client } = await http.pair((request) => {
      calls++;
      return echo(request);
    });
    await client.write(`${request}${GET}`).catch(() => {});
    assertMatch(await client.remaining(), /^HTTP\/1\.1 (?:400|501) [^]*connection: close/i);
    assertEquals(calls, 0);
  });
}

inHttpWorld(
  "refused: chunks whose sizes are wrong, of which the handler sees the error",
  async (http) => {
    const errors: unknown[] = [];
    http.serve(async (request) => {
      await request.text().catch((error) => errors.push(error.name));
      return new Response("late");
    });
    const bad = [
      "2x\r\nab\r\n",
      "1\r\nab\r\n",
      "2\nab\r\n",
      "10000000000000002\r\nab\r\n",
      "-2\r\n",
    ];
    for (const chunks of bad) {
      const client = await http.client();
      await client.write(
        `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n${GET}`,
      ).catch(() => {});
      const answer = await client.remaining();
      assertMatch(answer, /^HTTP\/1\.1 400 /);
      assertEquals(answer.split("HTTP/1.1").length, 2);
    }
    assertEquals(errors, bad.map(() => "AbortError"));
  },
);

inHttpWorld("heads and bodies that are too long are refused", async (http) => {
  const options = { maxHeaderSize: 1_000, maxBodySize: 10 };
  let calls = 0;
  http.serve(async (request) => {
    calls++;
    return new Response(await request.text());
  }, options);
  const status = async (request: string) => (await (await http.client()).ask(request)).status;
  assertEquals(await status(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1_000)}\r\n\r\n`), 431);
  assertEquals(await status(post("x".repeat(11))), 413);
  assertEquals(calls, 0);
  assertEquals(await status(post("x".repeat(10))), 200);
  const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  assertEquals(await status(`${chunked}6\r\n123456\r\n6\r\n123456\r\n`), 413);
});

inHttpWorld(
  "a handler that throws is a 500, which is reported, or what onError gives",
  async (http) => {
    const error = new Error("broken");
    const { client } = await http.pair(() => {
      throw error;
    });
    const { status, body } = await client.ask(GET);
    assertEquals([status, body], [500, "Internal Server Error\n"]);
    assertEquals(http.world.reports.splice(0), [error]);
    assertEquals((await client.ask(GET)).status, 500);
    http.world.reports.splice(0);
  },
);

inHttpWorld("onError gives the response", async (http) => {
  const { client } = await http.pair(() => Promise.reject(new Error("broken")), {
    onError: (error) => new Response(`${error}`, { status: 503 }),
  });
  const { status, body } = await client.ask(GET);
  assertEquals([status, body], [503, "Error: broken"]);
});

inHttpWorld("an onError that throws too, and results that are no response", async (http) => {
  const used = new Response("used");
  await used.text();
  const { client } = await http.pair(() => used, {
    onError: () => {
      throw new Error("too");
    },
  });
  assertEquals((await client.ask(GET)).status, 500);
  const reports = http.world.reports.splice(0).map(String);
  assertMatch(reports.join(), /^TypeError: Cannot send the response.*,Error: too$/);
});

inHttpWorld("a response whose body fails is cut off, and reported", async (http) => {
  const error = new Error("body");
  const infos: HttpInfo[] = [];
  const { client } = await http.pair((_, info) => {
    infos.push(info);
    let pulls = 0;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      await nextTask();
      if (pulls++ === 0) controller.enqueue(encoder.encode("part"));
      else throw error;
    };
    return new Response(new ReadableStream({ pull }));
  });
  await client.write(GET);
  assert(!(await client.remaining()).includes("\r\n0\r\n"));
  assertEquals(http.world.reports.splice(0), [error]);
  await assertRejects(() => infos[0]?.completed ?? Promise.resolve(), Error, "body");
});

inHttpWorld("the body of an answer to HEAD is cancelled", async (http) => {
  const cancelled = Promise.withResolvers<void>();
  const { client } = await http.pair(() => {
    return new Response(new ReadableStream({ cancel: () => cancelled.resolve() }));
  });
  await client.write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.until("\r\n\r\n");
  await cancelled.promise;
});

inHttpWorld("who is not admitted gets no answer", async (http) => {
  let calls = 0;
  const { client } = await http.pair(() => {
    calls++;
    return new Response();
  }, { authorize: () => false });
  await client.write(GET);
  await client.remaining().catch(() => "");
  assertEquals([calls, http.world.conns.length], [0, 1]);
});

for (const [given, how] of [["start", "rests"], ["pull", "goes on"]] as const) {
  inHttpWorld(
    `a client that leaves aborts its request, and cancels a response that ${how}`,
    async (http) => {
      const told: string[] = [];
      const cancelled = Promise.withResolvers<void>();
      const { client } = await http.pair((request, { completed }) => {
        request.signal.addEventListener("abort", () => told.push("signal"));
        completed.catch(() => told.push("completed"));
        const body = new ReadableStream({
          [given]: (controller: ReadableStreamDefaultController<Uint8Array>) =>
            controller.enqueue(encoder.encode("x".repeat(10_000))),
          cancel: () => cancelled.resolve(),
        });
        return new Response(body);
      });
      await client.write(GET);
      await client.until("\r\n\r\n");
      client.conn.close();
      await cancelled.promise;
      await http.world.idle();
      assertEquals(told.toSorted(), ["completed", "signal"]);
    },
  );
}

inHttpWorld("a client that leaves ends the body of its request with an error", async (http) => {
  const errors: unknown[] = [];
  const { client } = await http.pair(async (request) => {
    await request.text().catch((error) => {
      errors.push(error);
      throw error;
    });
    return new Response();
  });
  await client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  await http.world.idle();
  client.conn.close();
  await http.world.idle();
  assertEquals(errors.map(String), ["AbortError: The client has left"]);
});

inHttpWorld("a connection is kept if what nobody reads of a body is short", async (http) => {
  const { client } = await http.pair(async (request) => {
    if (request.url.endsWith("/part")) await request.body?.getReader().read();
    return new Response("done");
  });
  const body = "x".repeat(300_000);
  for (const path of ["/none", "/part"]) {
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    const writing = client.write(head + body);
    assertEquals((await client.response()).body, "done");
    await writing;
  }
  const writing = fate(client.write(post("x".repeat(3_000_000))));
  assertEquals((await client.response()).body, "done");
  assertEquals(await client.remaining(), "");
  await http.world.idle();
  assertEquals(writing.state, "rejected");
});

inHttpWorld("limits of time: the head, the body, and the rest between requests", async (http) => {
  http.serve(async (request) => new Response(await request.text()), {
    headersTimeout: 30,
    requestTimeout: 30,
    keepAliveTimeout: 30,
  });
  // The timers of a server do not keep the program running.
  using _running = keepRunning();
  const silent = await http.client();
  assertMatch(await silent.remaining(), /^HTTP\/1\.1 408 /);
  const slow = await http.client();
  await slow.write("GET / HTTP/1.1\r\n");
  assertMatch(await slow.remaining(), /^HTTP\/1\.1 408 /);
  const body = await http.client();
  await body.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  assertMatch(await body.remaining(), /^HTTP\/1\.1 408 /);
  const second = await http.client();
  assertEquals((await second.ask(GET)).status, 200);
  await second.write("G");
  assertMatch(await second.remaining(), /^HTTP\/1\.1 408 /);
  const resting = await http.client();
  assertEquals((await resting.ask(GET)).status, 200);
  assertEquals(await resting.remaining(), "");
});

inHttpWorld(
  "a shutdown finishes open responses, and closes connections that rest",
  async (http) => {
    const { server, client: busy } = await http.pair(async ({ url }) => {
      if (url.endsWith("/slow")) await open.promise;
      return new Response("done");
    });
    const open = Promise.withResolvers<void>();
    const resting = await http.client();
    assertEquals((await resting.ask(GET)).status, 200);
    const fresh = await http.client();
    await busy.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    await http.world.idle();
    const report = fate(server.shutdown());
    assertEquals(await resting.remaining(), "");
    const first = await fresh.ask(GET);
    assertMatch(first.head, /connection: close/i);
    await http.world.idle();
    assertEquals(report.state, "pending");
    open.resolve();
    const { head, body } = await busy.response();
    assertMatch(head, /connection: close/i);
    assertEquals(body, "done");
    await server.finished;
    assertEquals((await server.shutdown()).evicted, 0);
  },
);

inHttpWorld("a request to upgrade is the program's, or a request as any other", async (http) => {
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
  const { server, client } = await http.pair(() => new Response("no"), {
    onUpgrade: (request, duplex, head) => {
      duplex.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`,
      );
      duplex.write(head);
      duplex.pipe(duplex);
    },
    headersTimeout: 1_000,
  });
  await client.write(`${upgrade}first`);
  assertMatch(await client.until("\r\n\r\n"), /101 Switching/);
  assertEquals(await client.take(5), "first");
  await client.write("second");
  assertEquals(await client.take(6), "second");
  client.conn.close();
  await server.shutdown();
  const { client: another } = await http.pair(() => new Response("no"));
  assertEquals((await another.ask(upgrade)).body, "no");
});

inHttpWorld(
  "an upgrade that throws, now or later, is reported, and a client may leave",
  async (http) => {
    const error = new Error("broken");
    const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let count = 0;
    http.serve(() => new Response(), {
      onUpgrade: (_request, duplex) => {
        count++;
        if (count === 1) throw error;
        if (count === 2) return Promise.reject(error);
        while (duplex.write("x".repeat(10_000)));
        return undefined;
      },
    });
    for (let i = 0; i < 2; i++) {
      const client = await http.client();
      await client.write(upgrade);
      assertEquals(await client.remaining(), "");
      assertEquals(http.world.reports.splice(0), [error]);
    }
    const client = await http.client();
    await client.write(upgrade);
    await client.take(1);
    client.conn.close();
    await http.world.idle();
  },
);

inHttpWorld("a method that no Request can have is refused", async (http) => {
  const { client } = await http.pair(() => new Response("no"));
  assertEquals((await client.ask("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")).status, 405);
});

Deno.test("old versions of Deno are refused", () => {
  for (const version of ["2.8.0", "2.9.6", "2.10.0", "3.0.0-rc.1"]) checkVersion(version);
  for (const version of ["1.46.3", "2.7.14"]) {
    assertThrows(() => checkVersion(version), Deno.errors.NotSupported, "Deno 2.8 or newer");
  }
});

inHttpWorld("options are checked", (http) => {
  const { open } = http.world;
  const handler = () => new Response();
  assertThrows(
    () => serveHttpOn(open, { path: "x", maxHeaderSize: 0 }, handler),
    RangeError,
    'Cannot use "maxHeaderSize"',
  );
  return Promise.resolve();
});
