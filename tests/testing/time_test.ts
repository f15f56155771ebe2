/** The time of memoryPipes(): by hand, or as it passes. */

import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { pipesIn } from "../../src/testing/memory_pipes.ts";
import { memoryPipes } from "../../src/testing/mod.ts";
import { memorySettings } from "../../src/testing/options.ts";
import { World } from "../../src/testing/world.ts";
import { fate } from "../fixture.ts";

Deno.test("time by hand drives the limits of a server", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const ends: string[] = [];
  await using _server = pipes.serve({
    path: "a",
    idleTimeout: 60_000,
    responderTimeout: 5_000,
    writeTimeout: 10_000,
    onDisconnect: (_client, reason) => ends.push(reason),
  }, (_request, exchange) => {
    if (exchange.text() === "long") return new Uint8Array(100_000);
    // It gives up when its client is gone.
    return new Promise((resolve) => exchange.signal.addEventListener("abort", () => resolve()));
  });

  using _idle = await pipes.rawClient("a");
  await pipes.advance(59_999);
  assertEquals(ends, []);
  await pipes.advance(1);
  assertEquals(ends, ["idleTimeout"]);

  using slow = await pipes.rawClient("a");
  await slow.write("never answered");
  await pipes.advance(5_000);
  assertEquals(ends, ["idleTimeout", "responderTimeout"]);

  using deaf = await pipes.rawClient("a");
  await deaf.write("long");
  await pipes.advance(10_000);
  assertEquals(ends, ["idleTimeout", "responderTimeout", "writeTimeout"]);
});

Deno.test("time by hand drives the limits of a client", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const missing = fate(pipes.connect({ path: "a", connectTimeout: 5_000 }));
  await pipes.advance(4_999);
  assertEquals(missing.state, "pending");
  await pipes.advance(1);
  assertInstanceOf(missing.error, Deno.errors.NotFound);

  using _server = pipes.rawServer("a", { readBufferSize: 10 });
  using conn = await pipes.connect({ path: "a", writeTimeout: 1_000 });
  const sent = fate(conn.send("longer than ten"));
  await pipes.advance(1_000);
  assertEquals([sent.state, (await conn.closed).reason], ["rejected", "writeTimeout"]);
});

Deno.test("time by hand drives the timeout of a shutdown", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const server = pipes.serve({ path: "a" }, () => new Promise(() => {}));
  using client = await pipes.rawClient("a");
  await client.write("never answered");
  await pipes.advance(0);
  const report = fate(server.shutdown({ timeout: 3_000 }));
  await pipes.advance(2_999);
  assertEquals(report.state, "pending");
  await pipes.advance(1);
  assertEquals(report.value, { exchanges: 0, evicted: 1, dropped: 0 });
});

Deno.test("while time stands still, data arrives and clients find their server", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  // Nobody serves the name yet, and then there are more clients than instances.
  const early = pipes.call("a", "early", { as: "text" });
  await pipes.advance(20);
  await using _server = pipes.serve({ path: "a", instances: 1, maxInstances: 2 }, (request) => {
    return request;
  });
  assertEquals(await early, "early");
  const questions = Array.from({ length: 10 }, (_, i) => `${i}`);
  const answers = questions.map((question) => pipes.call("a", question, { as: "text" }));
  assertEquals(await Promise.all(answers), questions);
});

Deno.test("a client that gives up while it waits is forgotten", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const stop = new AbortController();
  const waiting = fate(pipes.connect({ path: "a", signal: stop.signal }));
  await pipes.advance(1);
  stop.abort("enough");
  await using _server = pipes.serve({ path: "a" }, () => {});
  await pipes.advance(1);
  assertEquals(waiting.error, "enough");
});

Deno.test("advance() resolves when everything has happened that the time has caused", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const events: string[] = [];
  await using _server = pipes.serve({
    path: "a",
    idleTimeout: 10,
    onDisconnect: async () => {
      for (let i = 0; i < 5; i++) await Promise.resolve();
      events.push(await pipes.call("log", "a client left", { as: "text" }));
    },
  }, () => {});
  await using _log = pipes.serve({ path: "log" }, (request) => request);
  using _client = await pipes.rawClient("a");
  await pipes.advance(10);
  assertEquals(events, ["a client left"]);
});

Deno.test("advance() fires timers in the order of their time, and calls are queued", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  const events: string[] = [];
  const note = (what: string) => () => events.push(what);
  const wait = (path: string, connectTimeout: number) =>
    pipes.connect({ path, connectTimeout }).catch(note(path));
  const all = [wait("later", 200), wait("soon", 100)];
  await Promise.all([
    pipes.advance(150).then(note("150")),
    pipes.advance(150).then(note("300")),
  ]);
  await Promise.all(all);
  assertEquals(events, ["soon", "150", "later", "300"]);
});

Deno.test("advance() takes milliseconds", async () => {
  await using pipes = memoryPipes({ time: "manual" });
  await assertRejects(() => pipes.advance(-1), RangeError);
  await assertRejects(() => pipes.advance(Infinity), RangeError);
  await assertRejects(() => pipes.advance(Number("x")), RangeError);
});

Deno.test("advance() fails when programs keep each other busy for ever", async () => {
  const settings = memorySettings({ time: "manual" });
  await using pipes = pipesIn(new World(settings, 1_000), settings.process);
  const stop = new AbortController();
  const server = pipes.serve({ path: "a" }, (request) => request);
  using conn = await pipes.connect({ path: "a" });
  const busy = (async () => {
    while (!stop.signal.aborted) await conn.request("again");
  })();
  const error = await assertRejects(() => pipes.advance(1), Error);
  assertEquals(error.message, "Cannot advance time: the pipes are always busy");
  stop.abort();
  await busy;
  conn.close();
  await server.shutdown();
});

Deno.test("without manual time, it passes by itself and cannot be advanced", async () => {
  await using pipes = memoryPipes();
  const error = await assertRejects(() => pipes.advance(1), TypeError);
  assertEquals(
    error.message,
    'Cannot advance time: it passes by itself without `time: "manual"`',
  );
  await assertRejects(
    () => pipes.connect({ path: "a", connectTimeout: 20 }),
    Deno.errors.NotFound,
  );
});

Deno.test("with real time, timers come by themselves, unref'd or not", async () => {
  await using pipes = memoryPipes();
  await using server = pipes.serve({ path: "a", idleTimeout: 20 }, () => {});
  using first = await pipes.rawClient("a");
  server.unref();
  server.ref();
  assertEquals(await first.read(), null);
});

Deno.test("with real time, what is unref'd does not keep the program running", async () => {
  const program = `
    import { memoryPipes } from "./src/testing/mod.ts";
    const { serve, rawClient } = memoryPipes();
    serve({ path: "a", idleTimeout: 600_000 }, () => {}).unref();
    await rawClient("a");
    console.log("connected");
  `;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", program],
    cwd: new URL("../../", import.meta.url),
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "connected\n"]);
});
