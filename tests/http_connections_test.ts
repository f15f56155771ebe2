/** HTTP: several connections of a server, and whose request is whose. */

import { assertEquals } from "@std/assert";
import { inHttpWorld } from "./http/world.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

inHttpWorld("each request tells of the client of its own connection", async (http) => {
  const server = http.serve((_request, { client }) => new Response(`${client.id}`));
  const clients = [await http.client(), await http.client(), await http.client()];
  const asked: string[] = [];
  for (const client of [...clients, ...clients.toReversed()]) {
    asked.push((await client.ask(GET)).body);
  }
  const ids = server.clients().map(({ id }) => `${id}`);
  assertEquals(asked, [...ids, ...ids.toReversed()]);
});

inHttpWorld("one connection that fails leaves the others as they are", async (http) => {
  const server = http.serve(async (request) => new Response(await request.text()));
  const other = await http.client();
  assertEquals((await other.ask(GET)).status, 200);
  const failing = await http.client();
  await failing.write(`no HTTP\r\n\r\n${GET}`);
  assertEquals((await failing.remaining()).split("HTTP/1.1").length, 2);
  assertEquals((await other.ask(GET)).status, 200);
  assertEquals(server.clients().length, 1);
});

inHttpWorld(
  "a client that asks nothing more, and leaves, aborts the work on its request",
  async (http) => {
    const aborted = Promise.withResolvers<unknown>();
    const { client } = await http.pair(({ signal }) => {
      signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      return new Promise(() => {});
    });
    await client.write(GET);
    await http.world.idle();
    client.conn.close();
    assertEquals(`${await aborted.promise}`, "AbortError: The client has left");
  },
);

inHttpWorld(
  "a request with which garbage comes is refused, and its handler not called",
  async (http) => {
    let calls = 0;
    const { client } = await http.pair(() => {
      calls++;
      return new Response();
    });
    await client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabgarbage\r\n\r\n");
    const answer = await client.remaining();
    assertEquals(/^HTTP\/1\.1 400 /.test(answer), true, answer);
    assertEquals([answer.split("HTTP/1.1").length, calls], [2, 0]);
  },
);

inHttpWorld("a short body is the same whether it comes with the head, or later", async (http) => {
  const { client } = await http.pair(async (request) => {
    const copy = request.clone();
    const reader = request.body?.getReader();
    const first = await reader?.read();
    return Response.json([new TextDecoder().decode(first?.value), await copy.text()]);
  });
  const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
  assertEquals((await client.ask(`${head}whole`)).body, '["whole","whole"]');
  await client.write(head);
  await http.world.idle();
  assertEquals((await client.ask("later")).body, '["later","later"]');
});
