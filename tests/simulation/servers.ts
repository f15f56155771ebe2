/**
 * The servers of a history: programs of users, with every habit that the public interface allows.
 *
 * @module
 */

import type { Exchange } from "../../src/exchange/exchange.ts";
import type { PipeClient } from "../../src/server/client.ts";
import { exchangesOn, type PipeExchanges } from "../../src/exchange/exchanges.ts";
import { type PipeServer, serveOn, type ServeOptions } from "../../src/exchange/serve.ts";
import type { BuiltInFraming } from "../../src/options/framing.ts";
import type { Reply, Responder } from "../../src/exchange/responders.ts";
import type { Message } from "../../src/pipe/message.ts";
import { Kind } from "./faults.ts";
import { IDENTITY, replyTo, senderOf } from "./messages.ts";
import type { Limits, ServerRecord, Session } from "./model.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** More than there are clients in a history: no client is to get what this sends. */
const MOST_SENDERS = 0xffff;

/** An error that is meant to be thrown. */
export class Planted extends Error {
  constructor(what: string) {
    super(`planted: ${what}`);
  }
}

/** How a server is ended. */
export const ENDINGS = ["shutdown", "dispose", "abort", "return", "throw", "break"] as const;

/** See {@linkcode ENDINGS}. */
export type Ending = (typeof ENDINGS)[number];

/** What a server of a history is made with. */
export interface Plan {
  readonly instances: number;
  readonly maxInstances: number | undefined;
  readonly readBufferSize: number;
  readonly writeBufferSize: number;
  readonly concurrency: number | undefined;
  readonly hooked: boolean;
  /** How likely a message is pushed where one may be. */
  readonly pushes: number;
  readonly framing: BuiltInFraming | undefined;
  readonly authorizes: ServerRecord["authorizes"];
  /** Whether its clients are identified even if nobody is asked about them. */
  readonly identifies: boolean;
  readonly limits: Partial<Limits> & { readonly maxBuffered?: number };
  /** How likely a responder does something out of the ordinary. */
  readonly odd: number;
}

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

/** What answers of one responder may be like, when its client can take any. */
const ODD = {
  later: 4,
  never: 1,
  replyLater: 2,
  twice: 1,
  generator: 4,
  sendReply: 3,
  sendOnly: 4,
  burst: 2,
  oneWay: 2,
  throwNow: 1,
  throwLater: 1,
  close: 1,
  closeAfterReply: 2,
  closeLater: 6,
  replyAndReturn: 1,
  wrongType: 1,
  hostile: 2,
  afterGone: 1,
} as const;

/** Those which give exactly one answer. */
const PLAIN = { now: 4, later: 2, replyNow: 2, replyLater: 2, generatorOfOne: 1 } as const;

/** Answers requests in one habit or another, and tells the model. */
class Habits {
  readonly #world: World;
  readonly #record: ServerRecord;
  readonly #odd: number;
  readonly #pushes: number;
  readonly #onError: boolean;

  constructor(world: World, record: ServerRecord, plan: Plan, onError: boolean) {
    this.#world = world;
    this.#record = record;
    this.#odd = plan.odd;
    this.#pushes = plan.pushes;
    this.#onError = onError;
  }

  /** A responder of serve(). */
  respond: Responder = (request, exchange) => {
    const session = this.#world.model.requested(exchange, this.#record);
    this.#spoil(request);
    this.#world.work();
    this.#world.mayEnd();
    this.#listen(exchange, session);
    const habit = this.#habit(session);
    this.#world.tell?.(`client ${session.id} asks; the responder: ${habit}`);
    return this.#act(habit, exchange, session);
  };

  /** What {@linkcode ServeOptions.onError} is given. */
  onError = (error: unknown, exchange: Exchange): Reply | Promise<Reply> => {
    const session = this.#world.model.sessions.get(exchange.client);
    this.#check(error);
    if (session === undefined) return;
    if (this.#world.random.chance(0.2)) {
      this.#close(session);
      throw new Planted("onError throws");
    }
    // What was answered before counts, so nothing more may be said.
    if (this.#isOver(session, exchange)) return;
    if (this.#world.random.chance(0.5)) return this.#return(session);
    const settle = () => this.#settleOf(session, exchange);
    if (this.#world.random.chance(0.5)) return settle();
    // Until this is over, the request is held.
    const pause = this.#world.pause();
    pause.then(settle);
    return pause;
  };

  /** A body of a loop over exchanges(). */
  handle(exchange: Exchange): Promise<void> | undefined {
    const session = this.#world.model.requested(exchange, this.#record);
    this.#spoil(exchange.request);
    this.#world.work();
    this.#world.mayEnd();
    this.#listen(exchange, session);
    const habit = this.#habit(session);
    this.#world.tell?.(`client ${session.id} asks; the consumer: ${habit}`);
    switch (habit) {
      case "now":
      case "replyNow":
      case "generatorOfOne":
      case "throwNow":
      case "wrongType":
      case "hostile":
      case "replyAndReturn":
        return this.#give(exchange, session, true);
      case "generator":
        return this.#sendReply(exchange, session, true);
      case "later":
      case "throwLater":
        return this.#replyLater(exchange, session);
      case "never":
        return this.#world.late().then(() => this.#give(exchange, session, true));
      case "oneWay":
        this.#settle(session);
        return exchange.reply();
      case "close":
        this.#close(session);
        exchange.client.close();
        return;
      default: {
        const result = this.#act(habit, exchange, session);
        return result instanceof Promise ? result.then(() => {}, this.#check) : undefined;
      }
    }
  }

  #habit(session: Session): keyof typeof ODD | keyof typeof PLAIN {
    const { random } = this.#world;
    const strict = session.link === undefined || session.link.strict;
    if (strict || !random.chance(this.#odd)) return random.weighted(PLAIN) ?? "now";
    return random.weighted(ODD) ?? "later";
  }

  #act(
    habit: keyof typeof ODD | keyof typeof PLAIN,
    exchange: Exchange,
    session: Session,
  ): ReturnType<Responder> {
    switch (habit) {
      case "now":
        return this.#return(session);
      case "later":
        return this.#later(session);
      case "never":
        return this.#world.late().then(() => this.#return(session));
      case "replyNow":
        return this.#dropped(this.#give(exchange, session, true));
      case "replyLater":
        return this.#replyLater(exchange, session);
      case "twice":
        return this.#twice(exchange, session);
      case "generator":
        return this.#generate(session, this.#world.random.between(0, 4));
      case "generatorOfOne":
        return this.#generate(session, 1);
      case "sendReply":
        return this.#sendReply(exchange, session, this.#world.random.chance(0.7));
      case "sendOnly":
        this.#give(exchange, session, false);
        if (this.#world.random.chance(0.7)) {
          this.#settle(session);
          return void exchange.reply();
        }
        return this.#replyLater(exchange, session);
      case "burst":
        for (let i = this.#world.random.between(1, 6); i > 0; i--) {
          this.#give(exchange, session, false);
        }
        return this.#dropped(this.#give(exchange, session, true));
      case "oneWay":
        this.#settle(session);
        if (this.#world.random.chance(0.5)) exchange.reply();
        return;
      case "throwNow":
        if (!this.#onError) this.#close(session);
        throw new Planted("a responder throws");
      case "throwLater":
        return this.#throwLater(session);
      case "close":
        this.#close(session);
        exchange.client.close();
        return this.#world.random.chance(0.5) ? undefined : this.#return(session);
      case "closeAfterReply":
        this.#give(exchange, session, true);
        this.#close(session);
        exchange.client.close();
        this.#world.mayEnd(0.02);
        return;
      case "closeLater":
        return this.#closeLater(exchange, session);
      case "replyAndReturn":
        // A mistake of the user: it is reported, and the connection ends.
        this.#give(exchange, session, true);
        if (!this.#onError) this.#close(session);
        return new Uint8Array(1);
      case "wrongType":
        if (!this.#onError) this.#close(session);
        return 42 as unknown as string;
      case "hostile":
        if (!this.#onError) this.#close(session);
        return hostile(this.#world.random) as AsyncIterable<Message>;
      case "afterGone":
        return this.#afterGone(exchange, session);
    }
  }

  /** What a user may do when the client is gone. */
  #listen(exchange: Exchange, session: Session): void {
    if (this.#world.random.chance(0.1)) exchange.draining.addEventListener("abort", () => {});
    if (!this.#world.random.chance(0.4)) return;
    const { signal } = this.#world.random.chance(0.8) ? exchange : exchange.client;
    signal.addEventListener("abort", () => {
      this.#world.mayEnd(0.15);
      if (this.#world.random.chance(0.3)) {
        this.#closeLate(session);
        exchange.client.close();
      }
      if (this.#isOver(session, exchange)) return;
      if (this.#world.random.chance(0.3)) this.#give(exchange, session, false);
    });
  }

  async #later(session: Session): Promise<Reply> {
    for (let i = this.#world.random.between(1, 3); i > 0; i--) await this.#world.pause();
    return this.#return(session);
  }

  async #closeLater(exchange: Exchange, session: Session): Promise<void> {
    if (this.#world.random.chance(0.3)) this.#give(exchange, session, false);
    await this.#world.pause();
    if (this.#world.random.chance(0.8)) this.#give(exchange, session, true);
    this.#close(session);
    exchange.client.close();
    this.#world.mayEnd(0.05);
  }

  async #throwLater(session: Session): Promise<Reply> {
    await this.#world.pause();
    if (!this.#onError) this.#close(session);
    throw new Planted("a responder throws");
  }

  async #replyLater(exchange: Exchange, session: Session): Promise<void> {
    await this.#world.pause();
    this.#give(exchange, session, true);
  }

  async #afterGone(exchange: Exchange, session: Session): Promise<void> {
    const { signal } = exchange;
    while (!signal.aborted && !this.#world.tidying) await this.#world.pause();
    await this.#world.pause();
    this.#give(exchange, session, true);
  }

  #twice(exchange: Exchange, session: Session): undefined {
    this.#give(exchange, session, true);
    for (const again of [() => exchange.reply("again"), () => exchange.send("again")]) {
      try {
        again();
        this.#world.violate("I5: an answered exchange took another message");
      } catch (error) {
        if (!(error instanceof TypeError)) this.#world.violate(`misuse threw ${error}`);
      }
    }
  }

  async #sendReply(exchange: Exchange, session: Session, waits: boolean): Promise<void> {
    for (let i = this.#world.random.between(1, 3); i > 0; i--) {
      const sent = this.#give(exchange, session, false);
      if (waits) await sent?.catch(() => {});
      if (this.#world.random.chance(0.3)) await this.#world.pause();
    }
    this.#give(exchange, session, true);
  }

  async *#generate(session: Session, messages: number): AsyncGenerator<Message> {
    const { open } = session;
    try {
      for (let i = 0; i < messages; i++) {
        if (this.#world.random.chance(0.4)) await this.#world.pause();
        const bytes = session.compose(this.#world.replySize());
        const written = this.#world.frame(bytes);
        this.#world.model.answers(session, written);
        yield disguised(bytes);
        const known = senderOf(bytes) !== undefined && !this.#record.failed;
        if (known && this.#world.writes(written)) {
          this.#world.violate("a generator is asked for more before its message is taken");
        }
      }
    } finally {
      if (open !== undefined) open.over = true;
    }
  }

  /** Gives a message by the exchange. */
  #give(exchange: Exchange, session: Session, last: boolean): Promise<void> | undefined {
    if (this.#world.random.chance(this.#pushes)) push(this.#world, exchange.client, this.#record);
    const bytes = session.compose(this.#world.replySize());
    const given = disguised(bytes.slice());
    const answer = this.#world.model.answers(session, this.#world.frame(bytes));
    // What it leads to may run code of the user's before the call ends.
    if (last) this.#settleOf(session, exchange);
    let promise: Promise<void>;
    try {
      promise = last ? exchange.reply(given) : exchange.send(given);
    } catch (error) {
      this.#world.violate(`an open exchange refused an answer: ${error}`);
      return;
    }
    // It was copied: what happens to it now is nobody's business.
    given.fill(0x55);
    this.#world.model.promised(session, answer, promise);
    return promise;
  }

  /** What a responder returns is an answer too. */
  #return(session: Session): Reply {
    const bytes = session.compose(this.#world.replySize());
    this.#world.model.answers(session, this.#world.frame(bytes));
    this.#settle(session);
    return disguised(bytes);
  }

  #settle(session: Session): void {
    if (session.open !== undefined) session.open.over = true;
  }

  #settleOf(session: Session, exchange: Exchange): void {
    if (session.open?.exchange === exchange) session.open.over = true;
  }

  #isOver(session: Session, exchange: Exchange): boolean {
    return session.open?.exchange !== exchange || session.open.over;
  }

  #close(session: Session): void {
    // Its end may be told later than it came.
    if (!session.open?.exchange.client.signal.aborted) session.endedAt ??= this.#world.now;
    this.#closeLate(session);
  }

  /** What has ended is closed: that is not the reason. */
  #closeLate(session: Session): void {
    session.closedAt ??= this.#world.now;
    this.#settle(session);
  }

  #dropped(promise: Promise<void> | undefined): undefined {
    promise?.catch(() => {});
  }

  /** The request is the user's own: writing to it changes nothing. */
  #spoil(request: Uint8Array): void {
    if (this.#world.random.chance(0.3)) request.fill(0xaa);
  }

  #check = (error: unknown): void => {
    if (!this.#world.expected(error)) this.#world.violate(`the responder failed: ${error}`);
  };
}

/** What nobody but the module is to look at. */
const HOSTILE = new WeakSet<object>();

/** What throws when it is looked at, or answers more than it should. */
function hostile(random: Random): object {
  const fail = () => {
    throw new Planted("a reply throws");
  };
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const reply = random.pick<object>([
    proxy,
    { then: fail },
    Object.defineProperty({}, "then", { get: fail }),
    Object.defineProperty({}, Symbol.asyncIterator, { get: fail }),
    { [Symbol.asyncIterator]: fail },
    { [Symbol.asyncIterator]: () => ({ next: fail, return: fail }) },
    {
      then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
        reject(new Planted("a reply rejects"));
        resolve("twice");
        fail();
      },
    },
  ]);
  HOSTILE.add(reply);
  return reply;
}

/** How a user decides about a client, when some are refused. */
const DECISIONS = {
  yes: 6,
  laterYes: 4,
  never: 2,
  no: 1,
  laterNo: 1,
  throws: 1,
  rejects: 1,
  notBoolean: 1,
  closes: 1,
  ends: 1,
} as const;

function howToDecide(
  random: Random,
  client: PipeClient,
  record: ServerRecord,
): keyof typeof DECISIONS {
  // One that has left is seldom asked about, and shall meet every end of its server.
  if (client.signal.aborted && random.chance(0.7)) return "never";
  if (record.authorizes === "some") return random.weighted(DECISIONS) ?? "yes";
  return random.pick(["yes", "laterYes"]);
}

/** Whether a client is let in. */
function decide(
  world: World,
  client: PipeClient,
  record: ServerRecord,
): boolean | Promise<boolean> {
  const { random, model } = world;
  const session = model.asked(client, record);
  const how = howToDecide(random, client, record);
  world.tell?.(`client ${client.id} is to be admitted: ${how}`);
  const now = (admitted: boolean) => {
    model.decided(session, admitted);
    return admitted;
  };
  switch (how) {
    case "yes":
      return now(true);
    case "no":
      return now(false);
    case "laterYes":
      return world.pause().then(() => now(true));
    case "never":
      return world.late().then(() => now(true));
    case "laterNo":
      return world.pause().then(() => now(false));
    case "throws":
      now(false);
      throw new Planted("authorize throws");
    case "rejects":
      return world.pause().then(() => {
        now(false);
        throw new Planted("authorize rejects");
      });
    case "notBoolean":
      now(false);
      return "yes" as unknown as boolean;
    case "closes":
      session.closedAt ??= world.now;
      client.close();
      return now(true);
    case "ends":
      world.mayEnd(0.5);
      return now(true);
  }
}

/** Pushes a message to a client, if it takes such. */
function push(world: World, client: PipeClient | undefined, record: ServerRecord): void {
  if (client === undefined) return;
  if (client.signal.aborted) return pushInVain(world, client);
  const session = world.model.pushable(client, record);
  if (session === undefined) return;
  const size = world.replySize();
  // So that it says whose it is.
  const bytes = session.compose(session.link === undefined ? Math.max(size, IDENTITY) : size);
  const given = disguised(bytes.slice());
  const answer = world.model.answers(session, world.frame(bytes), true);
  world.tell?.(`client ${client.id} is sent ${bytes.length} B`);
  let promise: Promise<void>;
  try {
    promise = client.send(given);
  } catch (error) {
    return world.violate(`a client refused a message: ${error}`);
  }
  given.fill(0x55);
  world.model.promised(session, answer, promise);
}

/** A client that has left, or whose connection was ended, gets nothing more. */
function pushInVain(world: World, client: PipeClient): void {
  const bytes = replyTo(MOST_SENDERS, 0, IDENTITY);
  client.send(bytes).then(() => world.violate(`client ${client.id} took a message`), () => {});
}

/** One of the clients that a server's user knows, sometimes one that has left. */
function someClient(
  { random, model }: World,
  connected: readonly PipeClient[],
  record: ServerRecord,
): PipeClient | undefined {
  if (random.chance(0.7)) return random.some(connected);
  const known = [...model.sessions].filter(([, { server, told }]) => told && server === record);
  return random.some(known.map(([client]) => client).filter(({ signal }) => signal.aborted));
}

/** What a user passes to serve() or exchanges(). */
function optionsOf(world: World, plan: Plan, record: ServerRecord): ServeOptions {
  return {
    path: world.path,
    instances: plan.instances,
    maxInstances: plan.maxInstances,
    readBufferSize: plan.readBufferSize,
    writeBufferSize: plan.writeBufferSize,
    concurrency: plan.concurrency,
    ...(plan.identifies ? {} : { access: "system-default" as const }),
    framing: plan.framing,
    // Raw clients tell answers apart by their messages.
    type: "message" as const,
    ...plan.limits,
    ...(plan.authorizes === undefined
      ? {}
      : { authorize: (client: PipeClient) => decide(world, client, record) }),
    onListen: () => {
      if (world.random.chance(0.1)) throw new Planted("onListen throws");
    },
    ...(plan.hooked
      ? {
        onConnect: (client: PipeClient) => {
          world.tell?.(`client ${client.id} is there`);
          world.model.arrived(client, record);
          if (world.random.chance(plan.pushes)) push(world, client, record);
          world.mayEnd();
          if (world.random.chance(0.05)) throw new Planted("onConnect throws");
        },
        onDisconnect: (client: PipeClient, reason: string, error: unknown) => {
          world.tell?.(
            `client ${client.id} ends: ${reason}${error === undefined ? "" : `, ${error}`}`,
          );
          world.model.disconnected(client, reason, error, record);
          world.mayEnd();
          if (world.random.chance(0.05)) throw new Planted("onDisconnect throws");
        },
      }
      : {}),
  };
}

/** The options are the user's: once they were read, nobody looks at them again. */
function takeAway(world: World, options: object): void {
  for (const name of Object.keys(options)) {
    const get = () => world.violate(`the option "${name}" is read after the call`);
    Object.defineProperty(options, name, { get });
  }
}

/** An array that says wrong things of itself, every third; what it holds is the message. */
function disguised(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 3 !== 0) return bytes;
  const lies = { byteLength: bytes.length + 1, length: NaN, slice: () => new Uint8Array(1) };
  return Object.defineProperties(bytes.slice(), Object.getOwnPropertyDescriptors(lies));
}

function newRecord(world: World, plan: Plan, queues: boolean): ServerRecord {
  return {
    path: world.path,
    stoppedAt: undefined,
    shutDownAt: undefined,
    shutdownTimeout: Infinity,
    failed: false,
    limits: {
      maxMessage: world.maxMessage,
      maxPerProcess: Infinity,
      idleTimeout: Infinity,
      writeTimeout: 30_000,
      maxQueued: 16 * 1024 * 1024,
      responderTimeout: Infinity,
      ...plan.limits,
    },
    queues,
    hooked: plan.hooked,
    authorizes: plan.authorizes,
    identifies: plan.identifies || plan.authorizes !== undefined,
  };
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
    const client = someClient(this.#world, this.#server.clients(), this.record);
    push(this.#world, client, this.record);
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
    if (!this.#ending) this.#world.model.ending(record);
    this.#ending = true;
    switch (how) {
      case "shutdown":
      case "break": {
        const timeout = this.#world.random.pick([0, 0, 5, 500, 20_000]);
        this.#shutDown(timeout);
        this.#server.shutdown({ timeout })
          .then((report) => this.#world.model.reported(record, report), () => {});
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
    const ended = () => this.#generator.return().then(() => this.over = true);
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
    if (record.stoppedAt === undefined) this.#world.model.ending(record);
    if (record.shutDownAt === undefined) {
      record.shutDownAt = this.#world.now;
      record.shutdownTimeout = timeout;
    }
    this.#generator.shutdown({ timeout })
      .then((report) => this.#world.model.reported(record, report), () => {});
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
