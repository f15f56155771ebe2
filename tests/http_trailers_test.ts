/** Trailers: `Request` and `Response` have no place for them, and `node:http` over a stream has. */

import http, { type IncomingMessage } from "node:http";
import { assertEquals, assertMatch } from "@std/assert";
import { httpClientOn } from "../src/http/client.ts";
import { toDuplex } from "../src/node/mod.ts";
import { inWorld, NAME } from "./fixture.ts";
import { inHttpWorld } from "./http/world.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST =
  "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";

inHttpWorld("trailers of a request are dropped, and the connection is kept", async (http) => {
  const { server, client } = await http.pair(async ({ body, headers }) => {
    const text = await new Response(body).text();
    return Response.json([text, headers.get("trailer"), headers.get("x-sum")]);
  });
  const { body } = await client.ask(`${POST}X-Sum: 1\r\nX-Sum: 2\r\n\r\n`);
  assertEquals(JSON.parse(body), ["abc", "X-Sum", null]);
  assertEquals((await client.ask(GET)).status, 200);
  assertEquals(server.clients().length, 1);
});

inHttpWorld("trailers that would change how a request is understood are refused", async (http) => {
  http.serve(async (request) => new Response(await request.text()));
  for (const trailer of ["Content-Length: 3", "Transfer-Encoding: chunked", " folded", "X : 1"]) {
    const client = await http.client();
    await client.write(`${POST}${trailer}\r\n\r\n${GET}`).catch(() => {});
    const answer = await client.remaining();
    assertMatch(answer, /^HTTP\/1\.1 400 /);
    assertEquals(answer.split("HTTP/1.1").length, 2);
  }
});

inHttpWorld("trailers that are longer than a head may be are refused", async (http) => {
  const { client } = await http.pair(async (request) => new Response(await request.text()));
  await client.write(`${POST}X-Sum: ${"x".repeat(100_000)}\r\n\r\n`).catch(() => {});
  assertMatch(await client.remaining(), /^HTTP\/1\.1 431 /);
});

inWorld("trailers of a response are dropped, and the connection is kept", async (world) => {
  const listener = world.listen({ type: "byte" });
  let connections = 0;
  (async () => {
    for await (const conn of listener) {
      connections++;
      const duplex = toDuplex(conn);
      const answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n";
      duplex.on("data", () => duplex.write(answer));
    }
  })();
  using client = httpClientOn(world.open, { path: NAME });
  for (let i = 0; i < 2; i++) {
    const response = await client.fetch("/");
    assertEquals([await response.text(), response.headers.get("x-sum")], ["abc", null]);
    await world.idle();
  }
  assertEquals(connections, 1);
});

/** The body and the trailers of a message. */
async function received(message: IncomingMessage) {
  let body = "";
  for await (const chunk of message) body += chunk;
  return { body, trailers: { ...message.trailers } };
}

inWorld("node:http sends and receives trailers over a stream, at both ends", async (world) => {
  const { near, far } = await world.pair({ type: "byte" });
  const server = http.createServer(async (request, response) => {
    response.writeHead(200, { trailer: "x-sum" });
    response.write(JSON.stringify(await received(request)));
    response.addTrailers({ "x-sum": "2" });
    response.end();
  });
  Object.defineProperty(server, "listening", { value: true });
  server.emit("connection", toDuplex(far));
  const duplex = toDuplex(near);
  const request = http.request({
    createConnection: () => duplex,
    method: "POST",
    headers: { trailer: "x-sum" },
  });
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  request.once("response", resolve);
  request.write("abc");
  request.addTrailers({ "x-sum": "1" });
  request.end();
  assertEquals(await received(await promise), {
    body: '{"body":"abc","trailers":{"x-sum":"1"}}',
    trailers: { "x-sum": "2" },
  });
  duplex.destroy();
});
