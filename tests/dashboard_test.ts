/** The example of a dashboard, as far as it needs neither Windows nor a browser. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Observer, type Snapshot } from "../examples/dashboard/observer.ts";
import { type Page, servePage } from "../examples/dashboard/web.ts";
import { unusedStats } from "../src/server/stats.ts";
import { inWorld } from "./fixture.ts";

const SNAPSHOT: Snapshot = {
  path: "\\\\.\\pipe\\test",
  now: 0,
  stats: unusedStats(true),
  samples: [],
  clients: [],
  ends: [],
};

/** A page, which is closed in the end. */
async function withPage(body: (page: Page) => Promise<void>): Promise<void> {
  const page = servePage(0, () => SNAPSHOT);
  try {
    await body(page);
  } finally {
    await page.close();
  }
}

/** Asks for a path with this `Host`, which `fetch` would not send. */
async function ask(page: Page, path: string, host?: string, method = "GET"): Promise<string> {
  const { hostname, port, host: own } = new URL(page.url);
  using conn = await Deno.connect({ hostname, port: Number(port) });
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host ?? own}`, "Connection: close"];
  await conn.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  return await new Response(conn.readable).text();
}

Deno.test("dashboard: the page is served with its key, on loopback, and takes in nothing else", async () => {
  await withPage(async (page) => {
    assertMatch(page.url, /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]{36}\/$/);
    const { pathname } = new URL(page.url);
    const html = await ask(page, pathname);
    assertMatch(html, /^HTTP\/1\.1 200 /);
    assertMatch(html, /\ncontent-security-policy: default-src 'none'; script-src 'self'; /i);
    // Neither code nor style of its own, nor anything of another server.
    assert(!/<script>|<style>| style=| on\w+=|https?:/.test(html));
    for (const path of ["/", "/snapshot", `${pathname}nothing`, pathname.slice(0, -1)]) {
      assertMatch(await ask(page, path), /^HTTP\/1\.1 404 /);
    }
    assertMatch(await ask(page, pathname, undefined, "POST"), /^HTTP\/1\.1 405 /);
  });
});

Deno.test("dashboard: whoever comes by another name is turned away", async () => {
  await withPage(async (page) => {
    const { pathname, port } = new URL(page.url);
    assertMatch(await ask(page, pathname, `localhost:${port}`), /^HTTP\/1\.1 200 /);
    for (const host of [`rebound.example:${port}`, "127.0.0.1", `127.0.0.1:${port}.example`]) {
      assertMatch(await ask(page, pathname, host), /^HTTP\/1\.1 421 /);
    }
  });
});

Deno.test("dashboard: each page is sent what there is at once, and with each update", async () => {
  const page = servePage(0, () => SNAPSHOT);
  const event = `data: ${JSON.stringify(SNAPSHOT)}\n\n`;
  const watch = async () => {
    const { body } = await fetch(`${page.url}events`);
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    assertEquals((await reader?.read())?.value, event);
    return reader;
  };
  const readers = await Promise.all(Array.from({ length: 16 }, watch));
  const response = await fetch(`${page.url}events`);
  assertEquals([response.status, await response.text()], [503, "too many pages are open\n"]);
  page.update();
  for (const reader of readers) assertEquals((await reader?.read())?.value, event);
  assertEquals(await (await fetch(`${page.url}snapshot`)).json(), JSON.parse(event.slice(6)));
  await page.close();
  for (const reader of readers) assertEquals((await reader?.read())?.done, true);
});

inWorld("dashboard: it knows each client, what it has asked, and who has left", async (world) => {
  const observer = new Observer();
  const server = world.serve((request, { client }) => {
    observer.answered(client, request.length, 2);
    return "ok";
  }, {
    measure: true,
    onConnect: (client) => observer.connected(client),
    onDisconnect: (client, reason) => observer.disconnected(client, reason),
  });
  const silent = await world.arrived();
  const client = await world.asking("four", 4711);
  await world.write(client, "fifth");
  const { path, clients, stats } = observer.snapshot(server);
  assertEquals([path, stats.clients], [server.path, 2]);
  assertEquals(
    clients.map(({ id, requests, bytesIn, bytesOut }) => [id, requests, bytesIn, bytesOut]),
    [[1, 0, 0, 0], [2, 2, 9, 4]],
  );
  const [none, known] = clients;
  assertEquals(none?.user, undefined);
  assertMatch(known?.user ?? "", /\S/);
  assert(known !== undefined && known.age >= 0 && known.age < 60_000);
  assertEquals(known.processId, 4711);

  client.close();
  silent.close();
  await world.idle();
  const { ends } = observer.snapshot(server);
  // In one second, unless it was over between the two.
  assertEquals(ends.reduce((sum, { count }) => sum + count, 0), 2);
  assert(ends.every(({ reason }) => reason === "peer"));
});

Deno.test("dashboard: a sample is what has come in since the last one", () => {
  const observer = new Observer();
  const sample = (count: number, mean: number) => {
    const latency = { count, mean, p50: 0, p90: 0, p99: 0, max: 0 };
    observer.sample({ ...SNAPSHOT.stats, latency });
  };
  sample(10, 2);
  sample(10, 2);
  // Ten more of 4 ms.
  sample(20, 3);
  const server = { path: "", clients: () => [], stats: () => SNAPSHOT.stats };
  const { samples } = observer.snapshot(server);
  assertEquals(samples.map(({ latency }) => latency), [2, undefined, 4]);
  assertEquals(samples[1]?.exchanges, 0);
  for (let i = 0; i < 200; i++) sample(20, 3);
  assertEquals(observer.snapshot(server).samples.length, 120);
  assertThrows(() => observer.sample(unusedStats(false)), TypeError, "measure");
});
