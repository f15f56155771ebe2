/**
 * How a responder of a history answers.
 *
 * @module
 */

import type { Exchange } from "../../src/exchange/exchange.ts";
import type { Reply, Responder } from "../../src/exchange/responders.ts";
import type { Message } from "../../src/pipe/message.ts";
import { senderOf } from "./messages.ts";
import type { ServerRecord, Session } from "./records.ts";
import { Planted } from "./planted.ts";
import { disguised, push } from "./pushes.ts";
import type { Random } from "./random.ts";
import type { Plan } from "./server_options.ts";
import type { World } from "./world.ts";

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
export class Habits {
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
        this.#world.model.answers.given(session, written);
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
    const answer = this.#world.model.answers.given(session, this.#world.frame(bytes));
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
    this.#world.model.answers.promised(session, answer, promise);
    return promise;
  }

  /** What a responder returns is an answer too. */
  #return(session: Session): Reply {
    const bytes = session.compose(this.#world.replySize());
    this.#world.model.answers.given(session, this.#world.frame(bytes));
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
export const HOSTILE = new WeakSet<object>();

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
