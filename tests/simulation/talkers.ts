/**
 * Programs that use a connection of this module, at either end: each sends and receives on its own
 * schedule, in every way that the public interface allows.
 *
 * @module
 */

import type { PipeConn, PipeEnded } from "../../src/pipe/pipe_conn.ts";
import type { Side } from "./sides.ts";
import type { Sent } from "./flow.ts";
import { hasMessages } from "./shape.ts";
import type { Actor, Stage } from "./stage.ts";

/** Bytes of a write that is in flight, at most, if it is not one message. */
const LONGEST_WRITE = 65_536;

/** What a program does not tell anybody. */
const OVERWRITTEN = 0x77;

/** How a program sends. */
const SENDS = {
  send: 6,
  burst: 4,
  abort: 3,
  request: 2,
  write: 3,
  stream: 4,
  loose: 2,
} as const;

/** How it receives. */
const RECEIVES = { receive: 4, impatient: 4, iterate: 4, read: 4, stream: 4, byob: 3 } as const;

/** The ways that give messages. */
const MESSAGES: ReadonlySet<string> = new Set(["receive", "impatient", "iterate"]);

/** How it ends, when it has sent what it has to say. */
const ENDS = {
  waits: 12,
  closes: 2,
  disposes: 4,
  halfCloses: 6,
  closesStream: 4,
  abortsStream: 1,
  cancelsStream: 2,
} as const;

/** See the module. */
export class Talker implements Actor {
  readonly name: string;
  readonly #stage: Stage;
  readonly #conn: PipeConn;
  readonly #side: Side;
  readonly #sends: keyof typeof SENDS | "nothing";
  readonly #receives: keyof typeof RECEIVES | "nothing";
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #reader:
    | ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>
    | ReadableStreamBYOBReader
    | undefined;
  readonly #asked = Promise.withResolvers<void>();
  #endsLeft = 2;

  constructor(stage: Stage, name: string, conn: PipeConn, side: Side) {
    const { random, shape } = stage;
    const { direction, type } = shape;
    this.name = name;
    this.#stage = stage;
    this.#conn = conn;
    this.#side = side;
    const mine = side.isServer ? "write" : "read";
    const theirs = side.isServer ? "read" : "write";
    const messages = hasMessages(shape);
    const both = direction === "both" && messages;
    this.#sends = direction !== "both" && direction !== mine ? "nothing" : random.weighted({
      ...SENDS,
      ...(messages ? {} : { send: 0, burst: 0, abort: 0 }),
      request: both ? SENDS.request : 0,
    }) ?? "nothing";
    this.#receives = direction !== "both" && direction !== theirs
      ? "nothing"
      : this.#sends === "request"
      ? "receive"
      : random.weighted({
        ...RECEIVES,
        ...(messages ? {} : { receive: 0, impatient: 0, iterate: 0 }),
        byob: type === "byte" ? RECEIVES.byob : 0,
      }) ?? "nothing";
    side.held = true;
    if (random.chance(0.2)) this.#setRefd(false);
    side.decodes = MESSAGES.has(this.#receives);
    side.takesBytes = !side.decodes && this.#receives !== "nothing";
  }

  /** Begins to talk. */
  start(): void {
    this.#tell(`sends by ${this.#sends}, receives by ${this.#receives}`);
    if (this.#stage.random.chance(0.5)) this.#watch();
    this.#run(() => this.#sendAll());
    this.#run(() => this.#receiveAll());
  }

  get done(): boolean {
    return this.#side.over !== undefined && this.#endsLeft === 0 || this.#side.lost;
  }

  /** It acts in tasks of its program only. */
  act(): boolean {
    return false;
  }

  end(): void {
    this.#side.ending = true;
    if (this.#stage.random.chance(0.5)) {
      this.#conn.close();
    } else {
      this.#side.graceful = true;
      this.#conn[Symbol.asyncDispose]();
    }
    this.#watch();
  }

  #tell(what: string): void {
    this.#stage.tell?.(`${this.name}: ${what}`);
  }

  #run(part: () => Promise<void>): void {
    part().catch((error) => this.#stage.violate(`thrown by ${this.name}: ${error?.stack}`))
      .then(() => {
        if (--this.#endsLeft === 0) this.#watch();
      });
  }

  /** Whether its calls keep the program running, which changes nothing else. */
  #setRefd(refd: boolean): void {
    this.#side.refd = refd;
    if (refd) this.#conn.ref();
    else this.#conn.unref();
  }

  /** Asks how the connection ends, which makes a client watch for that. */
  #watch(): void {
    if (this.#side.watched) return;
    this.#side.watched = true;
    this.#conn.closed.then((ended) => this.#closed(ended));
  }

  #closed(ended: PipeEnded): void {
    this.#tell(`closed: ${ended.reason} (${ended.error ?? ""})`);
    this.#stage.model.closed(this.#side, ended);
  }

  get #isOver(): boolean {
    return this.#stage.tidying || this.#side.ending || this.#side.over !== undefined;
  }

  async #sendAll(): Promise<void> {
    const { random } = this.#stage;
    if (this.#sends !== "nothing") {
      for (let i = random.between(0, 8); i > 0 && !this.#isOver; i--) {
        this.#stage.mayEnd();
        if (!await this.#sendOnce()) break;
        if (random.chance(0.3)) await this.#stage.pause();
      }
    }
    this.#asked.resolve();
    if (random.chance(0.3)) await this.#stage.late();
    if (!this.#side.ending) await this.#finish();
  }

  /** False: it fails, and so would the next. */
  async #sendOnce(): Promise<boolean> {
    const { random } = this.#stage;
    switch (this.#sends) {
      case "send":
        return await this.#give((bytes) => this.#conn.send(bytes));
      case "burst": {
        const gifts = Array.from(
          { length: random.between(1, 5) },
          () => this.#give((bytes) => this.#conn.send(bytes)),
        );
        // It may be still on its way when the program goes on.
        return random.chance(0.3) || (await Promise.all(gifts)).every((well) => well);
      }
      case "abort":
        return await this.#giveImpatiently();
      case "request":
        return await this.#ask();
      case "write":
        return await this.#give((bytes) =>
          this.#conn.write(bytes).then((length) => {
            if (length !== bytes.length) this.#stage.violate(`write() says ${length}`);
          }), true);
      case "stream":
        return await this.#stream();
      case "loose":
        this.#stream();
        return true;
      case "nothing":
        return false;
    }
  }

  /**
   * Gives a message to the connection.
   *
   * @param raw In its frame, which this module would add to a message.
   */
  #give(give: (bytes: Uint8Array) => Promise<unknown>, raw: boolean = false): Promise<boolean> {
    const sent = this.#compose();
    const bytes = (raw ? sent.wire : sent.bytes).slice();
    const given = give(bytes);
    // It was copied, or is written at once.
    const settled = this.#settle(sent, given);
    bytes.fill(OVERWRITTEN);
    return settled;
  }

  #compose(): Sent {
    const { shape, model } = this.#stage;
    const size = Math.max(this.#stage.size(), shape.halfClose === "none" ? 0 : 1);
    const { queued } = this.#conn;
    if (queued === 0) this.#stage.model.flushes(this.#side);
    const sent = this.#side.out.compose(size, this.#side.now());
    model.gives(this.#side, sent, queued);
    this.#tell(`gives ${sent.wire.length} B`);
    if (this.#side.isServer) this.#mustFail(sent, queued);
    if (this.#stage.random.chance(0.2)) {
      this.#stage.model.drains(this.#side, this.#conn.draining.aborted);
    }
    return sent;
  }

  /** What is given while too much waits, for sure, ends the connection. */
  #mustFail(sent: Sent, queued: number): void {
    const { maxQueued } = this.#side.wire.listener.limits;
    const { out } = this.#side;
    // The write in flight may be over.
    const longest = Math.max(...out.open.map(({ wire }) => wire.length));
    const inFlight = this.#stage.shape.type === "message" ? longest : LONGEST_WRITE;
    // A stream gives it later.
    if (queued - inFlight <= maxQueued || this.#writer !== undefined) return;
    this.#stage.pause().then(() => {
      if (out.sent.includes(sent) && sent.state === "accepted") {
        this.#stage.violate(`${this.#side.name} may queue ${queued} B`);
      }
    });
  }

  async #settle(sent: Sent, given: Promise<unknown>): Promise<boolean> {
    this.#side.open++;
    try {
      await given;
      this.#stage.model.taken(this.#side, sent);
      return true;
    } catch (error) {
      this.#tell(`a send fails: ${error}`);
      if (sent.state === "open") sent.state = "failed";
      this.#stage.model.failed(this.#side, "a send", error);
      return false;
    } finally {
      this.#side.open--;
    }
  }

  /** Several messages, of which one is aborted. */
  async #giveImpatiently(): Promise<boolean> {
    const { random } = this.#stage;
    const controllers: AbortController[] = [];
    const gifts: { sent: Sent; settled: Promise<boolean> }[] = [];
    for (let i = random.between(1, 3); i > 0; i--) {
      const controller = new AbortController();
      controllers.push(controller);
      const settled = this.#give((bytes) => this.#conn.send(bytes, controller));
      const sent = this.#side.out.sent.at(-1);
      if (sent !== undefined) gifts.push({ sent, settled });
    }
    if (random.chance(0.7)) await this.#stage.pause();
    const at = random.below(gifts.length);
    this.#abort(controllers[at], gifts[at]?.sent);
    for (const { settled } of gifts) await settled;
    return true;
  }

  /** On a message pipe, what waits behind another message was not begun, and only it is dropped. */
  #abort(controller: AbortController | undefined, sent: Sent | undefined): void {
    if (controller === undefined || sent?.state !== "open") return;
    const isBehind = this.#stage.shape.type === "message" && this.#side.out.open[0] !== sent &&
      this.#conn.queued >= sent.wire.length && !this.#mayBeHead(sent);
    this.#tell(`aborts a send${isBehind ? ", which is not begun" : ""}`);
    if (isBehind) sent.state = "dropped";
    else this.#side.ending = true;
    controller.abort(new Error("planted: no patience"));
    if (!isBehind) this.#keepsGoing(sent);
  }

  /** Whether all before it may be written, which their promises do not tell yet. */
  #mayBeHead(sent: Sent): boolean {
    const { open } = this.#side.out;
    const before = open.slice(0, open.indexOf(sent));
    return this.#conn.queued < before.reduce((sum, { wire }) => sum + wire.length, 0) +
          sent.wire.length || before.every(({ wire }) => wire.length === 0);
  }

  /** One that was accepted all the same, or not begun, costs nothing. */
  #keepsGoing(sent: Sent): void {
    const settled = () => {
      if (sent.state === "accepted" && this.#side.over === undefined) this.#side.ending = false;
    };
    this.#stage.pause().then(settled);
  }

  /** Sends a message, and receives the next that comes. */
  async #ask(): Promise<boolean> {
    const sent = this.#compose();
    sent.loose = true;
    const bytes = sent.bytes.slice();
    this.#side.open++;
    this.#side.waiting++;
    const asked = this.#conn.request(bytes);
    bytes.fill(OVERWRITTEN);
    try {
      const answer = await asked;
      this.#stage.model.received(this.#side, answer);
      return true;
    } catch (error) {
      this.#tell(`a request fails: ${error}`);
      sent.state = "failed";
      // The end of what the other end sends leaves nothing to wait for.
      if (!this.#side.in_.finished) this.#stage.model.failed(this.#side, "a request", error);
      return false;
    } finally {
      this.#side.open--;
      this.#side.waiting--;
    }
  }

  async #stream(): Promise<boolean> {
    this.#writer ??= this.#conn.writable.getWriter();
    const writer = this.#writer;
    writer.closed.catch(() => {});
    writer.ready.catch(() => {});
    const sent = this.#compose();
    // It is not copied before it is the next.
    return await this.#settleStream(sent, writer.write(sent.wire.slice()));
  }

  /** The promise of a chunk that is gathered says nothing about it. */
  async #settleStream(sent: Sent, written: Promise<void>): Promise<boolean> {
    if (this.#stage.shape.type === "message") return await this.#settle(sent, written);
    this.#side.open++;
    try {
      await written;
      sent.loose = true;
      return true;
    } catch (error) {
      this.#stage.model.failed(this.#side, "a chunk", error);
      if (sent.state === "open") sent.state = "failed";
      return false;
    } finally {
      this.#side.open--;
    }
  }

  async #finish(): Promise<void> {
    const { random, shape, tidying } = this.#stage;
    const writes = this.#sends === "stream" || this.#sends === "loose";
    const reads = this.#receives === "stream" || this.#receives === "byob";
    const end = random.weighted({
      ...ENDS,
      waits: tidying ? ENDS.waits * 3 : ENDS.waits,
      halfCloses: shape.halfClose !== "none" && this.#sends !== "nothing" && !writes
        ? ENDS.halfCloses
        : 0,
      closesStream: writes ? ENDS.closesStream : 0,
      abortsStream: writes ? ENDS.abortsStream : 0,
      cancelsStream: reads ? ENDS.cancelsStream : 0,
    });
    if (end === undefined || end === "waits") return;
    this.#tell(end);
    this.#side.open++;
    try {
      await this.#endBy(end);
    } catch (error) {
      this.#stage.model.failed(this.#side, end, error);
    }
    this.#side.open--;
  }

  async #endBy(how: Exclude<keyof typeof ENDS, "waits">): Promise<void> {
    const side = this.#side;
    const since = side.now();
    switch (how) {
      case "closes":
        side.ending = true;
        return this.#conn.close();
      case "disposes":
        side.ending = side.graceful = true;
        await this.#conn[Symbol.asyncDispose]();
        return this.#finished(since, false);
      case "halfCloses":
        return await this.#halfClose(() => this.#conn.closeWrite());
      case "closesStream": {
        const close = () => this.#writer?.close() ?? this.#conn.writable.close();
        if (this.#stage.shape.halfClose !== "none") return await this.#halfClose(close);
        side.ending = side.graceful = true;
        await close();
        return this.#finished(since, true);
      }
      case "abortsStream":
        side.ending = true;
        await (this.#writer?.abort() ?? this.#conn.writable.abort());
        return;
      case "cancelsStream":
        if (this.#stage.shape.halfClose === "none") side.ending = true;
        side.deaf = true;
        await (this.#reader?.cancel() ?? this.#conn.readable.cancel());
    }
  }

  async #halfClose(close: () => Promise<void>): Promise<void> {
    const { out } = this.#side;
    out.finished = true;
    this.#side.halfClosed = true;
    this.#side.halfClosedAt = this.#side.now();
    await close();
    // It was accepted in the end, but perhaps not in time.
    this.#side.slow ||= this.#side.halfClosedAt + this.#side.writeTimeout <= this.#side.now();
    this.#side.halfClosedAt = Infinity;
    out.flush();
    if (out.waiting > 0) {
      this.#stage.violate(`${this.name} half-closed with ${out.waiting} B queued`);
    }
  }

  /** What was queued is written, unless something else has ended the connection. */
  #finished(since: number, streamed: boolean): void {
    // What a stream has not given yet is not queued.
    const given = streamed || this.#sends !== "loose";
    const meant = this.#sends !== "abort" && this.#sends !== "request";
    if (given && meant) this.#stage.model.finished(this.#side, since);
  }

  async #receiveAll(): Promise<void> {
    const { random } = this.#stage;
    const pace = random.pick([0, 0.2, 0.6]);
    if (random.chance(0.2)) await this.#stage.late();
    // A request takes whatever comes for its answer.
    if (this.#sends === "request") await this.#asked.promise;
    if (this.#receives === "nothing") return;
    const receive = this.#receiver();
    do {
      this.#stage.mayEnd();
      if (random.chance(pace)) await this.#stage.pause();
    } while (await this.#receiveOnce(receive));
  }

  /** @returns A function that receives once; false: there is an end. */
  #receiver(): () => Promise<boolean> {
    const { model, random } = this.#stage;
    const conn = this.#conn;
    const side = this.#side;
    const message = (bytes: Uint8Array | null | undefined) => {
      if (bytes) model.received(side, bytes);
      return !!bytes;
    };
    const piece = (bytes: Uint8Array | null | undefined) => {
      if (bytes) model.receivedBytes(side, bytes);
      return !!bytes;
    };
    switch (this.#receives) {
      case "receive":
        return async () => message(await conn.receive());
      case "impatient":
        return async () => message(await this.#receiveImpatiently());
      case "iterate": {
        const iterator = conn[Symbol.asyncIterator]();
        return async () => message((await iterator.next()).value);
      }
      case "read":
        return async () => {
          const p = new Uint8Array(random.pick([1, 7, 100, 5_000, 100_000]));
          const length = await conn.read(p);
          return piece(length === null ? null : p.subarray(0, length));
        };
      case "byob": {
        const reader = conn.readable.getReader({ mode: "byob" });
        this.#reader = reader;
        return async () => {
          const { done, value } = await reader.read(
            new Uint8Array(random.pick([1, 7, 100, 5_000])),
          );
          return piece(done ? null : value);
        };
      }
      default: {
        const reader = conn.readable.getReader();
        this.#reader = reader;
        return async () => piece((await reader.read()).value);
      }
    }
  }

  async #receiveOnce(receive: () => Promise<boolean>): Promise<boolean> {
    const side = this.#side;
    side.waiting++;
    side.open++;
    try {
      if (await receive()) {
        this.#tell(`has received ${side.in_.received} B`);
        if (this.#stage.random.chance(0.05)) this.#setRefd(!side.refd);
        return true;
      }
      this.#tell("sees the end");
      if (!side.deaf) this.#stage.model.ended(side);
    } catch (error) {
      this.#tell(`a receive fails: ${error}`);
      this.#stage.model.failed(side, "a receive", error);
    } finally {
      side.waiting--;
      side.open--;
    }
    return false;
  }

  /** Waits, gives up, and waits again: the message is the next call's. */
  async #receiveImpatiently(): Promise<Uint8Array | null> {
    const { random } = this.#stage;
    while (!this.#stage.tidying && random.chance(0.7)) {
      const controller = new AbortController();
      const reason = new Error("planted: no patience");
      const pause = random.chance(0.3) ? Promise.resolve() : this.#stage.pause();
      pause.then(() => controller.abort(reason));
      try {
        return await this.#conn.receive(controller);
      } catch (error) {
        if (error !== reason) throw error;
        this.#tell("gives up to receive");
      }
    }
    return await this.#conn.receive();
  }
}
