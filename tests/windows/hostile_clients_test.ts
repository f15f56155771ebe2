/**
 * No client, whatever it does, stops the server, another client, or its own instance from
 * serving the next one. Here is what takes a real process to do; the simulation has the rest.
 *
 * In every test other clients are asked on and on, and each of them must get its answers while the
 * hostile client is at it. The server may have one instance more than those others take, so that
 * whoever comes afterwards gets the very instance, or its place, that the hostile client had.
 */

import { assert, assertEquals, assertGreater, assertInstanceOf, assertRejects } from "@std/assert";
import {
  type Exchange,
  type PipeClient,
  type PipeServer,
  serve,
  type ServeOptions,
} from "../../mod.ts";
import { ClientGone, type Load, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import { patternMismatch } from "../win32/pattern.ts";
import { Code } from "../win32/raw.ts";
import { Ends, newPath, rejectsWith } from "./support.ts";

/** The clients that behave. */
const OTHERS = 3;

const MIB = 1_048_576;

/** Those who behave live in a process of their own. */
const others = await startClient();
const client = await startClient();

/** A server, others that it serves all the time, and what became of the rest. */
class Scene implements AsyncDisposable {
  readonly path = newPath();
  readonly server: PipeServer;
  /** Exchanges with those that do not belong to the others. */
  readonly exchanges: Exchange[] = [];
  readonly ends = new Ends();
  /** How often each of the others was served. */
  readonly #counts = new Map<PipeClient, number>();
  readonly #waiting = new Set<() => void>();
  readonly #release = Promise.withResolvers<void>();
  #load: Load | undefined = undefined;

  constructor(options: Partial<ServeOptions>) {
    this.server = serve({
      path: this.path,
      instances: 1,
      maxInstances: OTHERS + 1,
      ...options,
      onDisconnect: this.ends.note,
    }, (request, exchange) => this.#respond(request, exchange));
  }

  /** The requests that came from hostile clients, as texts. */
  get texts(): string[] {
    return this.exchanges.map((exchange) => exchange.text());
  }

  /** Lets the others come. */
  async start(): Promise<this> {
    this.#load = await others.startLoad({ path: this.path, clients: OTHERS });
    await this.othersServed();
    return this;
  }

  /** Until each of the others was served some more times. */
  async othersServed(exchanges = 10): Promise<void> {
    const goals = [...this.#counts].map(([client, count]) => [client, count + exchanges] as const);
    assertEquals(goals.length, OTHERS);
    await this.#until(() =>
      goals.every(([client, goal]) => (this.#counts.get(client) ?? 0) >= goal)
    );
  }

  /** Until so many requests of hostile clients have come. */
  async asked(count: number): Promise<void> {
    await this.#until(() => this.exchanges.length >= count);
  }

  /** Lets those go on that have asked to be held. */
  release(): void {
    this.#release.resolve();
  }

  /**
   * The next client is served, and there are no more instances than before; then nothing is left,
   * neither of the others nor of the rest.
   */
  async finish(): Promise<void> {
    {
      await using pipe = await client.open(this.path, { messageMode: true, wait: 10_000 });
      assertEquals(await pipe.ask("next"), "next");
      assertEquals(await pipe.countInstances(), OTHERS + 1);
      await this.othersServed();
    }
    const ends = this.ends.all.length;
    const report = await this.#load?.stop();
    this.#load = undefined;
    assertEquals(report?.errors, []);
    for (const count of report?.counts ?? []) assertGreater(count, 0);
    await this.ends.reach(ends + OTHERS);
    const { evicted, dropped } = await this.server.shutdown();
    assertEquals([evicted, dropped], [0, 0]);
    await rejectsWith(Code.FILE_NOT_FOUND, client.open(this.path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load?.stop().catch(() => {});
    await this.server.shutdown({ timeout: 0 });
  }

  /** Until something holds; it is looked at whenever a request comes. */
  async #until(holds: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => holds() && resolve();
    this.#waiting.add(look);
    look();
    await promise;
    this.#waiting.delete(look);
  }

  async #respond(request: Uint8Array<ArrayBuffer>, exchange: Exchange) {
    // The others come first.
    if (this.#load === undefined && this.#counts.size < OTHERS) {
      this.#counts.set(exchange.client, 0);
    }
    const count = this.#counts.get(exchange.client);
    if (count === undefined) this.exchanges.push(exchange);
    else this.#counts.set(exchange.client, count + 1);
    for (const look of this.#waiting) look();
    if (count === undefined && exchange.text() === "hold") await this.#release.promise;
    return request.length === MIB ? undefined : request;
  }
}

async function newScene(options: Partial<ServeOptions> = {}): Promise<Scene> {
  return await new Scene(options).start();
}

windowsTest("clients that come and leave at any moment are no loss", async () => {
  await using scene = await newScene({ maxInstances: undefined, instances: OTHERS + 1 });
  const ROUNDS = 100;
  await using other = await startClient();
  const { path } = scene;
  await Promise.all([
    ...[client, other].map((visitor) => visitor.visit({ path, rounds: ROUNDS })),
    ...[client, other].map((visitor) => visitor.visit({ path, rounds: ROUNDS, write: "bye" })),
    scene.othersServed(),
  ]);
  await scene.ends.reach(4 * ROUNDS);
  assertEquals(scene.ends.reasons, Array(4 * ROUNDS).fill("peer"));
  assertEquals(scene.texts, Array(2 * ROUNDS).fill("bye"));
  await using next = await client.open(path, { messageMode: true });
  assertEquals(await next.ask("next"), "next");
});

windowsTest("a client killed in the middle of a message leaves no part of it", async () => {
  await using scene = await newScene({ readBufferSize: 4096 });
  await using victim = await startClient();
  const pipe = await victim.open(scene.path, { messageMode: true });
  await pipe.write("hold");
  await scene.asked(1);
  await pipe.startWrite({ length: MIB, seed: 1 });
  // By now the server has read the first piece ahead; the rest waits in the pipe.
  await scene.othersServed();
  await victim.kill();
  scene.release();
  await scene.ends.reach(1);
  assertEquals([scene.texts, scene.ends.reasons], [["hold"], ["peer"]]);
  await scene.finish();
});

windowsTest("a client killed while it writes leaves whole messages only, in order", async () => {
  await using scene = await newScene({ readBufferSize: 4096 });
  await using victim = await startClient();
  const pipe = await victim.open(scene.path, { messageMode: true });
  const gone = assertRejects(
    () => pipe.write({ length: MIB, seed: 1 }, { count: 100_000, timeout: 60_000 }),
    ClientGone,
  );
  await scene.asked(5);
  await victim.kill();
  await gone;
  await scene.ends.reach(1);
  for (const { request } of scene.exchanges) {
    assertEquals([request.length, patternMismatch(request, 1)], [MIB, -1]);
  }
  await scene.finish();
});

windowsTest("a client that never reads, or may not, holds up itself alone", async () => {
  for (const access of ["duplex", "write"] as const) {
    await using scene = await newScene({ writeBufferSize: 4096 });
    {
      await using pipe = await client.open(scene.path, { access });
      // Two replies fit, the third cannot be written; the fourth request is read ahead.
      await pipe.write({ length: 2000, seed: 1 }, { count: 4 });
      await scene.asked(3);
      await scene.othersServed(50);
      assertEquals(scene.exchanges.length, 3);
    }
    await scene.ends.reach(1);
    await scene.finish();
  }
});

windowsTest("a client that may not write, or nothing at all, holds up itself alone", async () => {
  for (const access of ["read", "none"] as const) {
    await using scene = await newScene();
    {
      await using pipe = await client.open(scene.path, { access });
      await scene.othersServed();
      await rejectsWith(Code.ACCESS_DENIED, pipe.write("x"));
    }
    await scene.ends.reach(1);
    assertEquals(scene.texts, []);
    await scene.finish();
  }
});

windowsTest("a client in byte read mode gets all bytes, in order, and is understood", async () => {
  await using scene = await newScene();
  {
    // The same name in other letters, too.
    await using pipe = await client.open(scene.path.toUpperCase());
    for (const text of ["one", "two"]) await pipe.write(text);
    await scene.asked(2);
    await scene.othersServed();
    let text = "";
    while (text.length < 6) text += (await pipe.read({ size: 4 })).text;
    assertEquals([text, scene.texts], ["onetwo", ["one", "two"]]);
  }
  await scene.finish();
});

windowsTest("a client that asks 1,000 times before it reads is answered in order", async () => {
  await using scene = await newScene();
  {
    await using pipe = await client.open(scene.path, { messageMode: true });
    const requests = Array.from({ length: 1000 }, (_, i) => `request ${i}`);
    await Promise.all(requests.map((request) => pipe.write(request)));
    await scene.asked(1000);
    await scene.othersServed();
    const replies = await Promise.all(requests.map(() => pipe.read()));
    assertEquals(replies.map(({ text }) => text), requests);
    // Once more, for nobody.
    await pipe.write("unread", { count: 1000 });
  }
  await scene.ends.reach(1);
  await scene.finish();
});

windowsTest(
  "a client that withdraws a message half-way and sends another is sent away",
  async () => {
    await using scene = await newScene({ readBufferSize: 100 });
    {
      await using pipe = await client.open(scene.path, { messageMode: true });
      await pipe.write("hold");
      await scene.asked(1);
      const writing = await pipe.startWrite({ length: 20_000, seed: 3 });
      await scene.othersServed();
      await writing.cancel();
      await rejectsWith(Code.OPERATION_ABORTED, writing.finish());
      await pipe.write("next");
      scene.release();
      await scene.ends.reach(1);
      await rejectsWith(Code.PIPE_NOT_CONNECTED, pipe.write("more"));
    }
    // No request that is glued from two.
    assertEquals([scene.texts, scene.ends.reasons], [["hold"], ["error"]]);
    assertInstanceOf(scene.ends.all[0]?.error, Deno.errors.InvalidData);
    await scene.finish();
  },
);

windowsTest("a handle that a child inherited keeps its instance until the child ends", async () => {
  await using scene = await newScene();
  await using child = await startClient();
  const pipe = await client.open(scene.path, { messageMode: true });
  assertEquals(await pipe.ask("parent"), "parent");
  const inherited = await pipe.duplicate(child);
  await pipe.close();
  await scene.othersServed();
  assertEquals(scene.ends.all, []);
  assertEquals(await inherited.ask("child"), "child");
  const [one, two] = scene.exchanges;
  assert(one !== undefined && one.client === two?.client);
  await child.kill();
  await scene.ends.reach(1);
  await scene.finish();
});
