/**
 * A small world for tests: an operating system in memory, the loop of an isolate on it, and the
 * proof at the end that nothing was left behind.
 *
 * @module
 */

import { mock } from "node:test";
import { setImmediate } from "node:timers";
import { assertEquals, fail } from "@std/assert";
import { Budget } from "../src/server/budget.ts";
import type { CloseReason } from "../src/pipe/close_reason.ts";
import type { Exchange } from "../src/exchange/exchange.ts";
import type { ClientInfo, PipeClient } from "../src/server/client.ts";
import { connectOn, type ConnectOptions } from "../src/client/connect.ts";
import type { PipeHost } from "../src/client/host.ts";
import { listenOn, type PipeListener } from "../src/listen/listen.ts";
import type { ListenOptions } from "../src/listen/options.ts";
import { exchangesOn, type PipeExchanges } from "../src/exchange/exchanges.ts";
import type { ExchangesOptions } from "../src/server/options.ts";
import type { PipeConn } from "../src/pipe/pipe_conn.ts";
import { type PipeServer, serveOn, type ServeOptions } from "../src/exchange/serve.ts";
import type { Responder } from "../src/exchange/responders.ts";
import { WaitLoop } from "../src/loop/wait_loop.ts";
import type { Pipes } from "../src/testing/pipes.ts";
import { pipesOn } from "../src/testing/pipes_on.ts";
import {
  type Failing,
  MemoryKernel,
  MemorySystem,
  NOTHING_LEFT,
  type RawClient,
  type RawEnd,
} from "./memory_kernel.ts";

/** The pipe of tests that need no other. */
export const NAME = "test";
export const PATH = "\\\\.\\pipe\\test";

/** More turns than any test needs to come to rest. */
const RESTLESS = 10_000;

const decoder = new TextDecoder();

/** The text of a message. */
export function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Another task: microtasks, and the tasks that are queued by now, are over. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The end of a connection, as `onDisconnect` told it. */
export interface End {
  readonly client: PipeClient;
  readonly reason: CloseReason;
  readonly error: unknown;
}

/** What became of a promise. */
export interface Fate<T> {
  state: "pending" | "resolved" | "rejected";
  value: T | undefined;
  error: unknown;
}

/** Watches a promise. */
export function fate<T>(promise: PromiseLike<T>): Fate<T> {
  const fate: Fate<T> = { state: "pending", value: undefined, error: undefined };
  promise.then((value) => {
    fate.state = "resolved";
    fate.value = value;
  }, (error) => {
    fate.state = "rejected";
    fate.error = error;
  });
  return fate;
}

/** Fails calls of one kind as long as the test wants. */
export function failing(kernel: MemoryKernel, kind: Failing, status: number) {
  const control = { on: true, calls: 0, times: [] as number[] };
  kernel.decisions.fails = (call) => {
    if (call !== kind) return undefined;
    control.calls++;
    control.times.push(kernel.now());
    return control.on ? status : undefined;
  };
  return control;
}

/** Exchanges as they come. */
export class Questions {
  readonly generator: PipeExchanges;
  readonly all: Exchange[] = [];
  /** How the loop over the exchanges ended. */
  readonly over: Fate<void>;

  constructor(generator: PipeExchanges) {
    this.generator = generator;
    this.over = fate(this.#take());
  }

  /** What was asked so far. */
  get texts(): string[] {
    return this.all.map((exchange) => exchange.text());
  }

  /** One of those that came, the last unless told. */
  at(index = -1): Exchange {
    return this.all.at(index) ?? fail("there is no such exchange");
  }

  /** Leaves the loop. */
  async end(): Promise<void> {
    await this.generator.return();
  }

  async #take(): Promise<void> {
    for await (const exchange of this.generator) this.all.push(exchange);
  }
}

/** See {@linkcode inWorld}. */
export class World {
  readonly system = new MemorySystem();
  /** Ends of connections of servers that were started by this world. */
  readonly ends: End[] = [];
  /** What was reported on the console; a test takes what it expects. */
  readonly reports: unknown[] = [];
  /** Where servers account for the bytes that they hold. */
  readonly budgets = new Set<Budget>();
  /** Kernels whose memory stays with the system. */
  readonly #abandoned = new Set<MemoryKernel>();
  readonly #kernels: MemoryKernel[] = [new MemoryKernel(this.system)];
  /** Connections of the module's clients. */
  readonly conns: PipeConn[] = [];
  readonly #servers: (PipeServer | PipeListener)[] = [];
  readonly #generators: PipeExchanges[] = [];
  #used = false;
  #loop: WaitLoop | undefined = undefined;

  /** The isolate's loop. */
  readonly open = (): WaitLoop => {
    if (this.#loop === undefined) {
      if (this.#used) this.#kernels.push(new MemoryKernel(this.system));
      this.#used = true;
      this.#loop = new WaitLoop(this.kernel, () => this.#loop = undefined);
    }
    return this.#loop;
  };

  /** The functions of the module on this loop. */
  readonly pipes: Pipes = pipesOn(this.open, this.system.list);

  /** The kernel of the loop: of the one that there is, or was last, or will be first. */
  get kernel(): MemoryKernel {
    return this.#kernels.at(-1) ?? fail("there is always one");
  }

  /** How many loops there have been. */
  get loops(): number {
    return this.#used ? this.#kernels.length : 0;
  }

  /** Whether there is a loop now. */
  get running(): boolean {
    return this.#loop !== undefined;
  }

  /** A server, which is shut down in the end, when all clients have left. */
  serve(responder: Responder, options: Partial<ServeOptions> = {}): PipeServer {
    const server = serveOn(this.open, { path: NAME, ...this.#recording(options) }, responder);
    this.#servers.push(server);
    return server;
  }

  /** A listener, which is shut down in the end. */
  listen(options: Partial<ListenOptions> = {}): PipeListener {
    const listener = listenOn(this.open, { path: NAME, ...this.#recording(options) });
    this.#servers.push(listener);
    return listener;
  }

  /** A client of the module. */
  async dial(options: Partial<ConnectOptions> = {}): Promise<PipeConn<PipeHost>> {
    const conn = await connectOn(this.open, { path: NAME, ...options });
    this.conns.push(conn);
    return conn;
  }

  /** Both ends of a connection of a listener. */
  async pair(
    options: Partial<ListenOptions> = {},
    client: Partial<ConnectOptions> = {},
  ): Promise<{ listener: PipeListener; near: PipeConn<PipeHost>; far: PipeConn<ClientInfo> }> {
    const listener = this.listen(options);
    const near = await this.dial(client);
    const far = await listener.accept();
    this.conns.push(far);
    return { listener, near, far };
  }

  /** Exchanges, whose loop is left in the end, when all clients have left. */
  exchanges(options: Partial<ExchangesOptions> = {}): PipeExchanges {
    const generator = exchangesOn(this.open, { path: NAME, ...this.#recording(options) });
    this.#generators.push(generator);
    return generator;
  }

  /** Exchanges that are all taken, and left to the test to answer. */
  ask(options: Partial<ExchangesOptions> = {}): Questions {
    return new Questions(this.exchanges(options));
  }

  /** A raw client of the pipe of tests. */
  connect(): RawClient {
    return this.system.connect(PATH);
  }

  /** A client that has come, of this process unless another one is named. */
  async arrived(process?: number): Promise<RawClient> {
    await this.idle();
    const client = this.system.connect(PATH, process === undefined ? {} : { process });
    await this.idle();
    return client;
  }

  /** A client that has come and sent a request. */
  async asking(request: string | Uint8Array, process?: number): Promise<RawClient> {
    const client = await this.arrived(process);
    await this.write(client, request);
    return client;
  }

  /** A client writes, and what comes of it happens. */
  async write(client: RawEnd | undefined, message: string | Uint8Array): Promise<void> {
    client?.write(message);
    await this.idle();
  }

  /** All that has come to a client, message by message. */
  async received(client: RawEnd): Promise<string[]> {
    const all: string[] = [];
    for (;;) {
      await this.idle();
      const message = client.readText();
      if (message === undefined) return all;
      all.push(message);
    }
  }

  /** What a client is answered that comes, or has come, asks, and leaves. */
  async visit(question: string, client: RawClient = this.connect()): Promise<string | undefined> {
    await this.idle();
    client.write(question);
    const answer = await client.receiveText();
    client.close();
    await this.idle();
    return answer;
  }

  /** A server that echoes serves the next client. */
  async assertServed(): Promise<void> {
    assertEquals(await this.visit("still there?"), "still there?");
  }

  /** Exchanges, one of which was asked by a client that has no answer yet. */
  async asked(
    request: string | Uint8Array = "question",
    options: Partial<ExchangesOptions> = {},
  ): Promise<{ questions: Questions; client: RawClient; exchange: Exchange }> {
    const questions = this.ask(options);
    await this.idle();
    const client = this.connect();
    client.write(request);
    await this.idle();
    assertEquals(questions.all.length, 1);
    return { questions, client, exchange: questions.at() };
  }

  /** Until the loop waits, or is gone, and nothing is to be done. */
  async idle(): Promise<void> {
    await this.kernelRests();
    const { waitState } = this.kernel;
    if (waitState === "dispatched") fail("the wait is held back");
  }

  /** Until nothing is to be done but to wait, and be it that the wait is held back. */
  async kernelRests(): Promise<void> {
    for (let i = 0; i < RESTLESS; i++) {
      await nextTask();
      if (this.kernel.waitState !== "over" && this.kernel.leftovers().turns === 0) return;
    }
    fail("the loop does not come to rest");
  }

  /** Lets time pass, and everything happen that then happens. */
  async pass(milliseconds: number): Promise<void> {
    await this.idle();
    await this.kernel.advance(milliseconds);
    await this.idle();
  }

  /** The kernel that there is now cannot tell when operations end: their memory is kept. */
  abandonMemory(): void {
    this.#abandoned.add(this.kernel);
  }

  /** Bytes that all servers hold for their clients. */
  get held(): number {
    let held = 0;
    for (const budget of this.budgets) held += budget.held;
    return held;
  }

  /** The reasons of the ends so far. */
  get reasons(): CloseReason[] {
    return this.ends.map(({ reason }) => reason);
  }

  /** Closes what the test has left open: raw ends first, then servers. */
  async close(): Promise<void> {
    for (const conn of this.conns) conn.close();
    this.system.closeRawEnds();
    await this.idle();
    for (const server of this.#servers) {
      await server.shutdown().catch((error) => {
        // The loop of this server, or of another one, has failed, as the test wants it.
        if (this.#abandoned.size === 0) throw error;
      });
    }
    for (const generator of this.#generators) await generator.return();
  }

  /**
   * Nothing in flight, no handle, no memory, no timer, no name (I8), no byte that is accounted for;
   * and no surprise reported.
   */
  async check(): Promise<void> {
    await this.idle();
    for (const kernel of this.#kernels) {
      const left = kernel.leftovers();
      const { inFlight, slots } = this.#abandoned.has(kernel) ? left : NOTHING_LEFT;
      assertEquals(left, { ...NOTHING_LEFT, inFlight, slots });
    }
    assertEquals(this.system.names, []);
    for (const { held } of this.budgets) assertEquals(held, 0);
    assertEquals(this.reports, []);
    for (const { error } of this.ends) {
      if (error instanceof Error && error.message.startsWith("Cannot handle")) throw error;
    }
  }

  #recording<T extends Partial<ExchangesOptions> | Partial<ListenOptions>>(options: T): T {
    return {
      ...options,
      onDisconnect: (client: PipeClient, reason: CloseReason, error?: unknown) => {
        this.ends.push({ client, reason, error });
        return options.onDisconnect?.(client, reason, error);
      },
    };
  }
}

/** A test in a world of its own, which is closed in the end, and in which nothing may be left. */
export function inWorld(name: string, body: (world: World) => Promise<void> | void): void {
  Deno.test(name, async () => {
    const world = new World();
    const spy = mock.method(console, "error", (...args: unknown[]) => {
      world.reports.push(...args);
    });
    const { hold } = Budget.prototype;
    const accounting = mock.method(Budget.prototype, "hold", function (this: Budget, n: number) {
      world.budgets.add(this);
      return hold.call(this, n);
    });
    try {
      await body(world);
      await world.close();
      await world.check();
    } finally {
      spy.mock.restore();
      accounting.mock.restore();
    }
  });
}
