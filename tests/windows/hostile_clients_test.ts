/**
 * I7: no client, whatever it does, stops the server, another client, or its own instance from
 * serving the next one.
 *
 * In every test other clients are asked on and on, and each of them must get its answers while the
 * hostile client is at it. The server may have one instance more than those others take, so that
 * whoever comes afterwards gets the very instance, or its place, that the hostile client had.
 */

import { assert, assertEquals, assertGreater, assertInstanceOf, assertRejects } from "@std/assert";
import { WindowsKernel } from "../../ffi/windows_kernel.ts";
import type { Exchange, PipeClient, PipeServer, Reply } from "../../mod.ts";
import type { DisconnectReason } from "../../src/server/end_reasons.ts";
import { openLoop } from "../../src/loop/isolate.ts";
import type { Handle } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";
import { serveOn, type ServeOptions } from "../../src/exchange/serve.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { ClientGone, type Load, patternMismatch, startClient } from "../win32/client.ts";
import { windowsTest } from "../win32/environment.ts";
import * as raw from "../win32/raw.ts";
import { Code } from "../win32/raw.ts";
import { newPath, rejectsWith } from "./support.ts";

/** The clients that behave. */
const OTHERS = 3;

const MIB = 1_048_576;

/** Those who behave live in a process of their own. */
const others = await startClient();
const client = await startClient();

const decoder = new TextDecoder();

type Answer = (request: Uint8Array<ArrayBuffer>, exchange: Exchange) => Reply | Promise<Reply>;

interface End {
  readonly client: PipeClient;
  readonly reason: DisconnectReason;
  readonly error: unknown;
}

interface SceneOptions extends Partial<ServeOptions> {
  /** Answers the hostile clients. @default an echo */
  readonly answer?: Answer;
  /** The kernel of a loop of its own. */
  readonly kernel?: WindowsKernel;
}

/** A server, others that it serves all the time, and what became of the rest. */
class Scene implements AsyncDisposable {
  readonly path: string;
  readonly server: PipeServer;
  /** Exchanges with those that do not belong to the others. */
  readonly exchanges: Exchange[] = [];
  readonly ends: End[] = [];
  readonly #answer: Answer;
  /** How often each of the others was served, and by which instance. */
  readonly #counts = new Map<PipeClient, number>();
  readonly #instances = new Set<number>();
  readonly #waiting = new Set<() => void>();
  #load: Load | undefined = undefined;
  /** The connections made so far belong to the others, or to nobody in particular. */
  #settling = true;

  constructor(path: string, options: SceneOptions) {
    const { answer = (request) => request, kernel, ...rest } = options;
    this.path = path;
    this.#answer = answer;
    const loop = kernel === undefined ? undefined : new WaitLoop(kernel);
    this.server = serveOn(loop === undefined ? openLoop : () => loop, {
      path,
      instances: 1,
      maxInstances: OTHERS + 1,
      ...rest,
      onDisconnect: (client, reason, error) => {
        this.ends.push({ client, reason, error });
        this.#look();
      },
    }, (request, exchange) => this.#respond(request, exchange));
  }

  /** The requests that came from hostile clients, as texts. */
  get texts(): string[] {
    return this.exchanges.map(({ request }) => decoder.decode(request));
  }

  /** Lets the others come. */
  async start(): Promise<this> {
    this.#load = await others.startLoad({ path: this.path, clients: OTHERS });
    this.#settling = false;
    await this.othersServed();
    return this;
  }

  /** Until each of the others was served some more times. */
  async othersServed(exchanges = 10): Promise<void> {
    const goals = [...this.#counts].map(([client, count]) => [client, count + exchanges] as const);
    assertEquals(goals.length, OTHERS);
    await this.until(
      "the others are served",
      () => goals.every(([client, goal]) => (this.#counts.get(client) ?? 0) >= goal),
    );
  }

  /** Until something holds; it is looked at whenever the server has something to do. */
  async until(what: string, holds: () => boolean): Promise<void> {
    if (holds()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => holds() && resolve();
    this.#waiting.add(look);
    const timer = setTimeout(() => reject(new Error(`Never: ${what}`)), 60_000);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  /** Until so many requests of hostile clients have come. */
  async asked(count: number): Promise<void> {
    await this.until(`request ${count}`, () => this.exchanges.length >= count);
  }

  /** Until so many connections have ended. */
  async ended(count: number): Promise<void> {
    await this.until(`end ${count}`, () => this.ends.length >= count);
  }

  /**
   * The next client is served, by the instance of the hostile one, or by one in its place, and
   * there are no more instances than before.
   */
  async nextIsServed(by: "the same instance" | "another instance"): Promise<void> {
    await using pipe = await client.open(this.path, { messageMode: true, wait: 10_000 });
    const before = this.exchanges.length;
    await pipe.write("next");
    assertEquals((await pipe.read()).text, "next");
    const exchange = this.exchanges[before];
    assert(exchange !== undefined && !exchange.signal.aborted);
    // The others have all the further instances.
    assert(!this.#instances.has(exchange.instance.id));
    assertEquals(exchange.instance.id <= OTHERS, by === "the same instance");
    assertEquals((await pipe.state()).instances, OTHERS + 1);
    await this.othersServed();
  }

  /** Lets the others leave, and checks that nothing is left, neither of them nor of the rest. */
  async finish(): Promise<void> {
    const ends = this.ends.length;
    assert(this.#load !== undefined);
    const { counts, errors } = await this.#load.stop();
    this.#load = undefined;
    assertEquals(errors, []);
    for (const count of counts) assertGreater(count, 0);
    // The last hostile client may not be seen off yet, so this is the least.
    await this.ended(ends + OTHERS);
    {
      await using pipe = await client.open(this.path, { messageMode: true, wait: 10_000 });
      await pipe.write("last");
      assertEquals((await pipe.read()).text, "last");
      // Its own, and the one that always listens.
      assertEquals((await pipe.state()).instances, 2);
    }
    const { evicted, dropped } = await this.server.shutdown();
    assertEquals({ evicted, dropped }, { evicted: 0, dropped: 0 });
    await rejectsWith(Code.FILE_NOT_FOUND, client.open(this.path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load?.stop().catch(() => {});
    await this.server.shutdown({ timeout: 0 });
  }

  #respond(request: Uint8Array<ArrayBuffer>, exchange: Exchange): Reply | Promise<Reply> {
    // The others come first, and send 64 bytes each.
    const other = this.#counts.has(exchange.client) || this.#settling && request.length === 64;
    if (other) {
      this.#counts.set(exchange.client, (this.#counts.get(exchange.client) ?? 0) + 1);
      this.#instances.add(exchange.instance.id);
    } else {
      this.exchanges.push(exchange);
    }
    this.#look();
    return other ? request : this.#answer(request, exchange);
  }

  #look(): void {
    for (const look of this.#waiting) look();
  }
}

async function newScene(options: SceneOptions = {}): Promise<Scene> {
  return await new Scene(newPath(), options).start();
}

/** An answer that waits for the test: what reads ahead then stops half-way. */
class Holding {
  readonly #release = Promise.withResolvers<void>();

  readonly answer: Answer = async (request) => {
    if (decoder.decode(request) === "hold") await this.#release.promise;
    return request;
  };

  release(): void {
    this.#release.resolve();
  }
}

// Coming and leaving

/** A kernel at whose listens somebody comes, at the moment that the test wants. */
class VisitedKernel extends WindowsKernel {
  readonly #path: string;
  readonly #when: "before" | "around" | "after";
  readonly #message: Uint8Array<ArrayBuffer> | undefined;
  /** So many visits are still to come. */
  visits = 0;
  /** What the visited listens returned. */
  readonly statuses: number[] = [];

  constructor(path: string, when: "before" | "around" | "after", message?: string) {
    super({ security: true });
    this.#path = path;
    this.#when = when;
    if (message !== undefined) this.#message = new TextEncoder().encode(message);
  }

  override listen(handle: Handle, slot: number): number {
    if (this.visits === 0) return super.listen(handle, slot);
    this.visits--;
    const leave = this.#when === "after" ? undefined : this.#come();
    if (this.#when === "before") leave?.();
    const status = super.listen(handle, slot);
    this.statuses.push(status);
    if (this.#when === "around") leave?.();
    if (this.#when === "after") this.#come()();
    return status;
  }

  #come(): () => void {
    const visitor = raw.openPipe(this.#path);
    if (this.#message !== undefined) raw.write(visitor, this.#message);
    return () => raw.closeHandle(visitor);
  }
}

for (
  const { when, status } of [
    { when: "before", status: Status.NO_DATA },
    { when: "around", status: Status.ALREADY_CONNECTED },
    { when: "after", status: Status.PENDING },
  ] as const
) {
  for (const message of [undefined, "was here"]) {
    const what = message === undefined ? "nothing" : "a request";
    windowsTest(
      `a client that comes and leaves ${when} ConnectNamedPipe, with ${what}, is no loss [13, 14]`,
      async () => {
        const VISITS = 10;
        const path = newPath();
        const kernel = new VisitedKernel(path, when, message);
        // While the server starts.
        kernel.visits = VISITS;
        await using scene = new Scene(path, { kernel, maxInstances: undefined });
        await scene.ended(VISITS);
        assertEquals(kernel.visits, 0);
        await scene.start();
        // While it is busy: who comes makes it create an instance and listen, and so does each visit.
        kernel.visits = VISITS;
        await (await client.open(path)).close();
        await scene.othersServed();
        await scene.ended(2 * VISITS + 1);
        assertEquals(kernel.visits, 0);
        assertEquals(kernel.statuses, Array(2 * VISITS).fill(status));
        assertEquals(scene.ends.map(({ reason }) => reason), Array(2 * VISITS + 1).fill("client"));
        // What somebody left behind is served all the same.
        assertEquals(scene.texts, message === undefined ? [] : Array(2 * VISITS).fill(message));
        // Only 232 tells beforehand that nobody waits for the answer.
        for (const { signal } of scene.exchanges) assertEquals(signal.aborted, when === "before");
        await scene.finish();
      },
    );
  }
}

windowsTest("clients that come and leave at any moment are no loss [13, 15]", async () => {
  await using scene = await newScene({ maxInstances: undefined });
  const ROUNDS = 100;
  const crowd = [client, await startClient()] as const;
  await using _second = crowd[1];
  await Promise.all([
    ...crowd.map((visitor) => visitor.visit({ path: scene.path, rounds: ROUNDS })),
    ...crowd.map((visitor) => visitor.visit({ path: scene.path, rounds: ROUNDS, write: "bye" })),
    scene.othersServed(),
  ]);
  await scene.ended(4 * ROUNDS);
  assertEquals(scene.ends.map(({ reason }) => reason), Array(4 * ROUNDS).fill("client"));
  assertEquals(scene.texts, Array(2 * ROUNDS).fill("bye"));
  await scene.finish();
});

windowsTest("a client that only waits for an instance takes none [16, 56]", async () => {
  await using scene = await newScene();
  await client.waitNamedPipe(scene.path, 10_000);
  await client.waitNamedPipe(scene.path, 0);
  const pipe = await client.open(scene.path, { messageMode: true });
  {
    // Now none is free.
    await using waiter = await startClient();
    await rejectsWith(Code.SEM_TIMEOUT, waiter.waitNamedPipe(scene.path, 1));
    const waiting = waiter.waitNamedPipe(scene.path, 30_000);
    await scene.othersServed();
    await pipe.close();
    await waiting;
  }
  await scene.ended(1);
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("the name in another case is the same name [47]", async () => {
  await using scene = await newScene();
  {
    await using pipe = await client.open(scene.path.toUpperCase(), { messageMode: true });
    await pipe.write("loud");
    assertEquals((await pipe.read()).text, "loud");
    assertEquals((await pipe.state()).instances, OTHERS + 1);
  }
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

// Killed

windowsTest("a client killed in the middle of a message leaves no part of it [28]", async () => {
  const holding = new Holding();
  await using scene = await newScene({ answer: holding.answer, readBufferSize: 4096 });
  await using victim = await startClient();
  const pipe = await victim.open(scene.path, { messageMode: true });
  await pipe.write("hold");
  await scene.asked(1);
  await pipe.startWrite({ length: MIB, seed: 1 });
  // By now the server has read the first piece ahead; the rest waits in the pipe.
  await scene.othersServed();
  await victim.kill();
  holding.release();
  await scene.ended(1);
  assertEquals(scene.texts, ["hold"]);
  assertEquals(scene.ends[0]?.reason, "client");
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("a client killed while it writes leaves whole messages only [28]", async () => {
  await using scene = await newScene({
    readBufferSize: 4096,
    answer: (request) => request.length === MIB ? undefined : request,
  });
  await using victim = await startClient();
  const pipe = await victim.open(scene.path, { messageMode: true });
  const writing = pipe.write({ length: MIB, seed: 1 }, { count: 100_000, timeout: 60_000 });
  const gone = assertRejects(() => writing, ClientGone);
  await scene.asked(5);
  await victim.kill();
  await gone;
  await scene.ended(1);
  for (const { request } of scene.exchanges) {
    assertEquals([request.length, patternMismatch(request, 1)], [MIB, -1]);
  }
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("a client killed in the middle of a pipeline is gone [27, 38]", async () => {
  const holding = new Holding();
  await using scene = await newScene({ answer: holding.answer });
  await using victim = await startClient();
  const pipe = await victim.open(scene.path, { messageMode: true });
  await pipe.write("first", { count: 20 });
  await pipe.write("hold");
  await pipe.write("after", { count: 20 });
  await scene.asked(21);
  await scene.othersServed();
  await victim.kill();
  holding.release();
  await scene.ended(1);
  // What it wrote in full before it died may be served, in order; it is not owed.
  const { texts } = scene;
  assertEquals(texts.slice(0, 21), [...Array(20).fill("first"), "hold"]);
  assert(texts.slice(21).every((text) => text === "after"));
  assertEquals(scene.ends[0]?.reason, "client");
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

// Reading badly

windowsTest("a client that never reads holds up itself alone [8, 30, 58]", async () => {
  await using scene = await newScene({ writeBufferSize: 4096 });
  {
    await using pipe = await client.open(scene.path, { messageMode: true });
    // Two replies fit, the third cannot be written; the fourth request is read ahead.
    await pipe.write({ length: 2000, seed: 1 }, { count: 4 });
    await scene.asked(3);
    await scene.othersServed(50);
    assertEquals(scene.exchanges.length, 3);
  }
  await scene.ended(1);
  assertEquals(scene.ends[0]?.reason, "client");
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("a client that reads one byte at a time gets its reply [3, 21]", async () => {
  await using scene = await newScene({ writeBufferSize: 16 });
  {
    await using pipe = await client.open(scene.path, { messageMode: true });
    const request = "one byte after another ".repeat(10);
    for (let round = 0; round < 2; round++) {
      await pipe.write(request);
      assertEquals((await pipe.read({ size: 1, whole: true })).text, request);
      await scene.othersServed();
    }
    assertEquals(scene.texts, [request, request]);
  }
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("a client that can only write holds up itself alone [58]", async () => {
  await using scene = await newScene({ writeBufferSize: 4096 });
  {
    await using pipe = await client.open(scene.path, { access: "write" });
    await pipe.write({ length: 2000, seed: 1 }, { count: 4 });
    await scene.asked(3);
    await scene.othersServed(50);
    assertEquals(scene.exchanges.length, 3);
  }
  await scene.ended(1);
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest(
  "a client that can only read, and hears nothing, holds up itself alone [58]",
  async () => {
    await using scene = await newScene();
    {
      await using pipe = await client.open(scene.path, { access: "read" });
      const reading = await pipe.startRead();
      await scene.othersServed();
      await rejectsWith(Code.ACCESS_DENIED, pipe.write("x"));
      await reading.cancel();
      await rejectsWith(Code.OPERATION_ABORTED, reading.finish());
    }
    await scene.ended(1);
    assertEquals(scene.texts, []);
    await scene.nextIsServed("the same instance");
    await scene.finish();
  },
);

windowsTest("a client without any access holds up itself alone [58]", async () => {
  await using scene = await newScene();
  {
    await using pipe = await client.open(scene.path, { access: "none" });
    await scene.othersServed();
    await rejectsWith(Code.ACCESS_DENIED, pipe.read());
    await rejectsWith(Code.ACCESS_DENIED, pipe.write("x"));
  }
  await scene.ended(1);
  assertEquals(scene.texts, []);
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest(
  "a client in byte read mode gets all bytes, in order, and is understood [22]",
  async () => {
    await using scene = await newScene();
    {
      await using pipe = await client.open(scene.path);
      await pipe.write("one");
      await pipe.write("two");
      await scene.asked(2);
      await scene.othersServed();
      let text = "";
      while (text.length < 6) text += (await pipe.read({ size: 4 })).text;
      assertEquals(text, "onetwo");
      assertEquals(scene.texts, ["one", "two"]);
    }
    await scene.nextIsServed("the same instance");
    await scene.finish();
  },
);

windowsTest(
  "a client that cancels its read gets the reply with the next one [26, 35]",
  async () => {
    const holding = new Holding();
    await using scene = await newScene({ answer: holding.answer });
    {
      await using pipe = await client.open(scene.path, { messageMode: true });
      await pipe.write("hold");
      await scene.asked(1);
      for (let i = 0; i < 3; i++) {
        const reading = await pipe.startRead();
        await reading.cancel();
        await rejectsWith(Code.OPERATION_ABORTED, reading.finish());
      }
      await scene.othersServed();
      holding.release();
      assertEquals((await pipe.read()).text, "hold");
      const transaction = await pipe.startTransact("again");
      assertEquals((await transaction.finish()).text, "again");
    }
    await scene.nextIsServed("the same instance");
    await scene.finish();
  },
);

// Writing badly

windowsTest("empty messages are requests, and replies [24]", async () => {
  await using scene = await newScene();
  {
    await using pipe = await client.open(scene.path, { messageMode: true });
    await pipe.write("", { count: 100 });
    await scene.asked(100);
    await scene.othersServed();
    for (let i = 0; i < 100; i++) assertEquals((await pipe.read()).text, "");
    assertEquals((await pipe.transact("")).text, "");
    await pipe.write("end");
    assertEquals((await pipe.read()).text, "end");
    assertEquals(scene.texts, [...Array(101).fill(""), "end"]);
    // Left in the pipe.
    await pipe.write("", { count: 5 });
  }
  await scene.ended(1);
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("a client that writes 1 MiB in one go is answered [31]", async () => {
  await using scene = await newScene();
  {
    await using pipe = await client.open(scene.path, { messageMode: true });
    const pattern = { length: MIB, seed: 5 };
    for (let i = 1; i <= 3; i++) {
      const reading = pipe.readPattern(pattern);
      await pipe.write(pattern);
      assertEquals(await reading, 1);
      assertEquals(scene.exchanges.length, i);
      await scene.othersServed();
    }
    // And leaves without the answer.
    await pipe.write(pattern);
  }
  await scene.ended(1);
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest(
  "a client that asks 1,000 times before it reads is answered in order [61]",
  async () => {
    await using scene = await newScene();
    {
      await using pipe = await client.open(scene.path, { messageMode: true });
      const requests = Array.from({ length: 1000 }, (_, i) => `request ${i}`);
      await Promise.all(requests.map((request) => pipe.write(request)));
      await scene.asked(1000);
      await scene.othersServed();
      const replies = requests.map(() => pipe.read());
      assertEquals((await Promise.all(replies)).map(({ text }) => text), requests);
      assertEquals(scene.texts, requests);
      // Once more, for nobody.
      await pipe.write("unread", { count: 1000 });
    }
    await scene.ended(1);
    await scene.nextIsServed("the same instance");
    await scene.finish();
  },
);

windowsTest(
  "a client that cancels a write half-way and goes on writing is sent away [32]",
  async () => {
    const holding = new Holding();
    await using scene = await newScene({ answer: holding.answer, readBufferSize: 100 });
    {
      await using pipe = await client.open(scene.path, { messageMode: true });
      await pipe.write("hold");
      await scene.asked(1);
      const writing = await pipe.startWrite({ length: 20_000, seed: 3 });
      await scene.othersServed();
      await writing.cancel();
      await rejectsWith(Code.OPERATION_ABORTED, writing.finish());
      await pipe.write("next");
      holding.release();
      await scene.ended(1);
      await rejectsWith(Code.PIPE_NOT_CONNECTED, pipe.write("more"));
    }
    // No request that is glued from two.
    assertEquals(scene.texts, ["hold"]);
    assertEquals(scene.ends[0]?.reason, "error");
    assertInstanceOf(scene.ends[0]?.error, Deno.errors.InvalidData);
    await scene.nextIsServed("another instance");
    await scene.finish();
  },
);

windowsTest("a client that cancels a write nobody has begun to read goes on [32]", async () => {
  const holding = new Holding();
  await using scene = await newScene({ answer: holding.answer, readBufferSize: 100 });
  {
    await using pipe = await client.open(scene.path, { messageMode: true });
    await pipe.write("hold");
    await scene.asked(1);
    // This one is read ahead, so the next one stays where it is.
    await pipe.write("ahead");
    const writing = await pipe.startWrite({ length: 20_000, seed: 3 });
    await scene.othersServed();
    await writing.cancel();
    await rejectsWith(Code.OPERATION_ABORTED, writing.finish());
    await pipe.write("next");
    holding.release();
    for (const text of ["hold", "ahead", "next"]) assertEquals((await pipe.read()).text, text);
    assertEquals(scene.texts, ["hold", "ahead", "next"]);
  }
  await scene.nextIsServed("the same instance");
  await scene.finish();
});

windowsTest("clients that flood without pause do not starve the others", async () => {
  const FLOODERS = 8;
  await using scene = await newScene({ maxInstances: undefined });
  const flood = await client.startLoad({
    path: scene.path,
    clients: FLOODERS,
    pipeline: 64,
    messageSize: 32,
  });
  await scene.othersServed(200);
  const { counts, errors } = await flood.stop();
  assertEquals(errors, []);
  for (const count of counts) assertGreater(count, 0);
  await scene.ended(FLOODERS);
  await scene.finish();
});

// A handle that lives on

windowsTest(
  "a handle that a child inherited keeps its instance until the child ends [60]",
  async () => {
    await using scene = await newScene();
    await using child = await startClient();
    const pipe = await client.open(scene.path, { messageMode: true });
    await pipe.write("parent");
    assertEquals((await pipe.read()).text, "parent");
    const inherited = await child.adopt(await pipe.duplicate(child.processId));
    await pipe.close();
    await scene.othersServed();
    assertEquals(scene.ends, []);
    await inherited.write("child");
    assertEquals((await inherited.read()).text, "child");
    assertEquals(scene.exchanges[0]?.client, scene.exchanges[1]?.client);
    await child.kill();
    await scene.ended(1);
    await scene.nextIsServed("the same instance");
    await scene.finish();
  },
);
