/**
 * The servers of a history: programs of users, with every habit that the public interface allows.
 *
 * @module
 */

import { exchangesOn, type PipeExchanges } from "../../src/exchange/exchanges.ts";
import { type PipeServer, serveOn, type ServeOptions } from "../../src/exchange/serve.ts";
import type { Responder } from "../../src/exchange/responders.ts";
import type { Message } from "../../src/pipe/message.ts";
import { Kind } from "./faults.ts";
import { Habits, HOSTILE } from "./habits.ts";
import type { ServerRecord } from "./records.ts";
import type { PipeClient } from "../../src/server/client.ts";
import { Planted } from "./planted.ts";
import { push, someClient } from "./pushes.ts";
import { newRecord, optionsOf, type Plan, takeAway } from "./server_options.ts";
import type { World } from "./world.ts";

/** How a server is ended. */
export const ENDINGS = ["shutdown", "dispose", "abort", "return", "throw", "break"] as const;

/** See {@linkcode ENDINGS}. */
export type Ending = (typeof ENDINGS)[number];

/** A running server. */
export interface UserServer {
  readonly record: ServerRecord;
  /** Nothing of it is left. */
  readonly over: boolean;
  /** It has ended, one way or another. */
  readonly gone: boolean;
  /** Whether it still gives requests to its user. */
  readonly serving: boolean;
  /** Whether it is meant to keep its program running. */
  readonly keepsProgram: boolean;
  /** Lets its program end, or keeps it running again. */
  turnRef(): void;
  /** Pushes a message to one of its clients. */
  push(): void;
  /** Begins to end it. */
  end(how: Ending): void;
  /** Its program ends without its doing, now or soon. */
  lose(atOnce: boolean): void;
}

/** Counts the responders that are at work, and sees who is to be at work at all. */
class Workers {
  number = 0;
  readonly #world: World;
  readonly #most: number;

  constructor(world: World, most: number) {
    this.#world = world;
    this.#most = most;
  }

  watch(responder: Responder): Responder {
    return (request, exchange) => {
      if (++this.number > this.#most) this.#world.violate(`${this.number} responders are at work`);
      const { aborted, reason } = exchange.signal;
      if (aborted && reason instanceof Deno.errors.Interrupted) {
        this.#world.violate(`a responder begins what the server has given up: ${reason}`);
      }
      const done = () => this.number--;
      try {
        const result = responder(request, exchange);
        if (HOSTILE.has(Object(result))) done();
        else if (result instanceof Promise) result.then(done, done);
        else if (isGenerated(result)) return this.#watchAll(result);
        else done();
        return result;
      } catch (error) {
        done();
        throw error;
      }
    };
  }

  async *#watchAll(messages: AsyncIterable<Message>): AsyncGenerator<Message> {
    try {
      yield* messages;
    } finally {
      this.number--;
    }
  }
}

function isGenerated(result: ReturnType<Responder>): result is AsyncIterable<Message> {
  return typeof result === "object" && Symbol.asyncIterator in result;
}

/** A server made with serve(). */
export class Serving implements UserServer {
  readonly record: ServerRecord;
  over = false;
  readonly #world: World;
  readonly #server: PipeServer;
  readonly #abort = new AbortController();
  #refs = true;
  #ending = false;
  #lost = false;

  /** @throws What serve() throws. */
  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.record = newRecord(world, plan, plan.concurrency !== undefined);
    const onError = world.random.chance(0.5);
    const habits = new Habits(world, this.record, plan, onError);
    const workers = new Workers(world, plan.concurrency ?? Infinity);
    const options: ServeOptions = {
      ...optionsOf(world, plan, this.record),
      signal: this.#abort.signal,
      ...(onError ? { onError: habits.onError } : {}),
    };
    this.#server = serveOn(world.open, options, workers.watch(habits.respond));
    takeAway(world, options);
    this.#server.finished.then(() => {
      this.over = true;
      world.model.accounts.counted(this.record, this.#server.stats());
      if (this.#endsInTime && workers.number > 0) {
        world.violate(`a shutdown has ended while ${workers.number} responders are at work`);
      }
    }, (error) => {
      this.over = true;
      if (world.nameLost) this.record.failed = true;
      if (!this.record.failed) world.violate(`finished rejected: ${error}`);
    });
  }

  get gone(): boolean {
    return this.over || this.#lost;
  }

  get serving(): boolean {
    return !this.#ending && !this.over;
  }

  get keepsProgram(): boolean {
    // Somebody may wait for its end.
    return this.#refs || this.#ending;
  }

  turnRef(): void {
    this.#refs = !this.#refs;
    this.#world.tell?.(`— the server is ${this.#refs ? "ref'd" : "unref'd"}`);
    if (this.#refs) return this.#server.ref();
    this.#server.unref();
    if (this.serving) this.#world.counts.add(Kind.UNREFERENCED);
  }

  push(): void {
    const client = someClient(this.#world, this.#clients(), this.record);
    push(this.#world, client, this.record);
  }

  /** Those that are connected; none when the kernel throws, which was asked who they are. */
  #clients(): PipeClient[] {
    try {
      return this.#server.clients();
    } catch (error) {
      if (error instanceof Planted) return [];
      throw error;
    }
  }

  /** Whether nothing but a shutdown has ended it, whose time has not run out. */
  get #endsInTime(): boolean {
    const { stoppedAt, failed, shutDownAt = Infinity, shutdownTimeout } = this.record;
    if (stoppedAt !== undefined || failed) return false;
    return this.#world.now < shutDownAt + shutdownTimeout;
  }

  lose(atOnce: boolean): void {
    this.#ending = true;
    this.#lost = atOnce;
    this.record.failed = true;
  }

  end(how: Ending): void {
    const { record } = this;
    if (!this.#ending) this.#world.model.accounts.ending(record);
    this.#ending = true;
    switch (how) {
      case "shutdown":
      case "break": {
        const timeout = this.#world.random.pick([0, 0, 5, 500, 20_000]);
        this.#shutDown(timeout);
        this.#server.shutdown({ timeout })
          .then((report) => this.#world.model.accounts.reported(record, report), () => {});
        // It may be called while the server tells one after the other.
        Promise.resolve().then(() => this.#checkDraining());
        break;
      }
      case "dispose":
        this.#shutDown(10_000);
        this.#server[Symbol.asyncDispose]().then(() => {}, () => {});
        break;
      default:
        record.stoppedAt ??= this.#world.now;
        this.#abort.abort();
    }
  }

  #shutDown(timeout: number): void {
    if (this.record.shutDownAt !== undefined) return;
    this.record.shutDownAt = this.#world.now;
    this.record.shutdownTimeout = timeout;
  }

  /** Whoever works on a request can know that its server is to end. */
  #checkDraining(): void {
    for (const { server, open } of this.#world.model.sessions.values()) {
      if (server !== this.record || open === undefined || open.over) continue;
      const { draining, signal } = open.exchange;
      if (draining.aborted || signal.aborted || server.failed) continue;
      this.#world.violate("an exchange is not told that its server shuts down");
    }
  }
}

/** How a loop over exchanges() goes on after each. */
const PACES = ["straight", "awaits replies", "slow", "stops asking", "two at once"] as const;

/** A server made with exchanges(). */
export class Iterating implements UserServer {
  readonly record: ServerRecord;
  over = false;
  readonly #world: World;
  readonly #abort = new AbortController();
  readonly #habits: Habits;
  readonly #generator: PipeExchanges;
  readonly #pace: (typeof PACES)[number];
  #leaves: "break" | "throw" | undefined;
  #ending = false;
  #lost = false;

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.record = newRecord(world, plan, true);
    this.#habits = new Habits(world, this.record, plan, true);
    this.#pace = world.random.pick(PACES);
    const options = { ...optionsOf(world, plan, this.record), signal: this.#abort.signal };
    this.#generator = exchangesOn(world.open, options);
    takeAway(world, options);
    // An abort ends the loop before the server has ended.
    const ended = () =>
      this.#generator.return().then(() => {
        this.over = true;
        world.model.accounts.counted(this.record, this.#generator.stats());
      });
    this.#run().then(ended, (error) => {
      ended();
      if (world.nameLost && error instanceof Error && !world.expected(error)) {
        this.record.failed = true;
      }
      if (!this.record.failed && !world.expected(error)) {
        world.violate(`the loop over exchanges() failed: ${error}`);
      }
    });
  }

  get gone(): boolean {
    return this.over || this.#lost;
  }

  get serving(): boolean {
    return !this.#ending && !this.over;
  }

  get keepsProgram(): boolean {
    return true;
  }

  turnRef(): void {}

  push(): void {
    const client = someClient(this.#world, this.#generator.clients(), this.record);
    push(this.#world, client, this.record);
  }

  lose(atOnce: boolean): void {
    this.#ending = true;
    this.#lost = atOnce;
    this.record.failed = true;
  }

  end(how: Ending): void {
    this.#ending = true;
    switch (how) {
      case "abort":
        this.record.stoppedAt ??= this.#world.now;
        this.#abort.abort();
        break;
      case "break":
      case "throw":
        // At the next exchange; or else, if none comes, when everybody tidies up.
        this.#leaves = how;
        this.#world.late().then(() => this.#return());
        break;
      case "shutdown":
        return this.#shutDown(this.#world.random.pick([0, 5, 500, 20_000]));
      default:
        this.#return();
    }
  }

  /** The loop gets what is there, and then ends by itself. */
  #shutDown(timeout: number): void {
    const { record } = this;
    if (record.shutDownAt === undefined) {
      if (record.stoppedAt === undefined) this.#world.model.accounts.ending(record);
      record.shutDownAt = this.#world.now;
      record.shutdownTimeout = timeout;
    }
    this.#generator.shutdown({ timeout })
      .then((report) => this.#world.model.accounts.reported(record, report), () => {});
  }

  #return(): void {
    if (this.record.stoppedAt === undefined) this.record.stoppedAt = this.#world.now;
    const ended = this.#world.random.chance(0.2)
      ? this.#generator.throw(new Planted("thrown into the generator"))
      : this.#generator.return();
    ended.catch((error) => {
      if (!this.#world.expected(error)) this.#world.violate(`return() failed: ${error}`);
    });
  }

  async #run(): Promise<void> {
    if (this.#pace === "two at once") return await this.#runTwo();
    let stops = this.#pace === "stops asking" ? this.#world.random.between(1, 4) : Infinity;
    for await (const exchange of this.#generator) {
      if (this.#leaves !== undefined) {
        this.record.stoppedAt ??= this.#world.now;
        if (this.#leaves === "throw") throw new Planted("the loop throws");
        break;
      }
      const answered = this.#habits.handle(exchange);
      if (this.#pace === "awaits replies") {
        await Promise.race([answered?.catch(() => {}), this.#world.late()]);
      } else {
        answered?.catch(() => {});
      }
      if (this.#pace === "slow") await this.#world.pause();
      if (--stops <= 0) await this.#world.late();
    }
  }

  /** Two calls of next() wait side by side. */
  async #runTwo(): Promise<void> {
    const take = async () => {
      while (true) {
        const { done, value } = await this.#generator.next();
        if (done) return;
        this.#habits.handle(value)?.catch(() => {});
      }
    };
    await Promise.all([take(), take()]);
  }
}
