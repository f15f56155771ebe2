/**
 * One history: a server, its clients and the system, each step of which follows from the seed.
 *
 * @module
 */

import type { OpenLoop } from "../../src/loop/isolate.ts";
import { Status } from "../../src/kernel/status.ts";
import { MemorySystem } from "../memory_kernel.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { TRACKING } from "../../src/testing/memory/end.ts";
import { Operation } from "../../src/testing/memory/operation.ts";
import { USER } from "../../src/testing/memory/processes.ts";
import { Coverage, type State, stateName } from "./coverage.ts";
import { Counts, Kind, noFaults, type Rates, someFaults, WAIT_FAILURES } from "./faults.ts";
import { type Around, SimulatedKernel } from "./kernel.ts";
import { type Hosting, Links } from "./links.ts";
import { LoopClient, STYLES } from "./loop_clients.ts";
import { Model } from "./model.ts";
import type { Link, ServerRecord } from "./records.ts";
import type { Outcome } from "./outcome.ts";
import { Planted } from "./planted.ts";
import type { Program } from "./program.ts";
import { Random } from "./random.ts";
import { MANNERS, PROBE, RawClient, TOO_LONG } from "./raw_clients.ts";
import { catchReports } from "./reports.ts";
import { drain, LONGEST_RETRY, PATH, type Scheduled, Scheduler } from "./scheduler.ts";
import { type Plan, PREFIX, somePlan } from "./server_options.ts";
import { type Ending, ENDINGS, Iterating, Serving, type UserServer } from "./servers.ts";
import { someWeights } from "./weights.ts";
import type { Client, World } from "./world.ts";

/** Milliseconds that user code takes, when it takes long, and that it may take in one task. */
const WORK = 2;
const LONGEST_TASK = 4;

/** Steps between two looks at whether everybody knows what there is to know. */
const PEACE_STEPS = 4;

/** Milliseconds by which a time limit may begin late, since the clock goes on meanwhile. */
const TIMER_SLACK = 100;

/** How likely, at each step, a server begins or ceases to keep its program running. */
const REF_CHANCE = 0.005;

/** Clients of one history, one after the other. */
const MOST_CLIENTS = 100;

/** See the module. */
export class History implements World, Around, Hosting, Scheduled<Client> {
  readonly seed: number;
  readonly random: Random;
  readonly system = new MemorySystem();
  readonly counts = new Counts();
  readonly coverage = new Coverage();
  readonly model: Model;
  readonly connections: Links = new Links(this);
  readonly path = PATH;
  readonly quotas: { readonly read: number; readonly write: number };
  readonly tell: ((what: string) => void) | undefined;
  rates: Rates;
  stamp = 0;
  task = 0;
  taskBegin = 0;
  tidying = false;

  readonly prefix: number;

  violation: string | undefined;

  readonly #plan: Plan;
  readonly #scheduler: Scheduler<Client>;
  readonly #here: Program;
  readonly #sizes: readonly number[];
  #server: UserServer | undefined;
  #instanceLost = false;
  #userTime = 0;
  #clientsMade = 0;
  /** An instance is in a state that seldom lasts: an end would meet it there. */
  #endSoon = false;
  /** Whether user code can find its server. */
  #started = false;
  /** Whether anything fails, be it only at first: what was short then may be waited for now. */
  readonly #rough: boolean;
  /** Whether a time limit may begin anew, since what pends seems to be over. */
  readonly #blurred: boolean;

  constructor(seed: number, trace?: (what: string) => void) {
    this.seed = seed;
    this.tell = trace;
    this.system.processes.newIdentity = (process) => ({ ...USER, sid: `${USER.sid}-${process}` });
    this.random = new Random(seed);
    this.model = new Model(this);
    const { random } = this;
    this.rates = someFaults(random);
    const { fails, lies, endsBadly, crashes } = this.rates;
    this.#rough = fails + lies + endsBadly + crashes > 0;
    this.#blurred = this.rates.blurs > 0;
    this.quotas = {
      read: random.pick([65_536, 4096, 64, 1, 0]),
      write: random.pick([65_536, 4096, 64, 64, 0, 0]),
    };
    this.system.ways.takesEmpty = random.chance(0.5);
    this.system.ways.makesRoom = random.chance(0.5);
    this.system.ways.keepsPending = random.chance(0.5);
    this.#plan = somePlan(random, this.quotas);
    this.prefix = this.#plan.framing === undefined ? 0 : PREFIX;
    const weights = {
      ...someWeights(random, [0, 0.02, 0.2]),
      push: this.#plan.pushes * random.pick([1, 10]),
    };
    const { read, write } = this.quotas;
    const sizes = [0, 1, 5, 30, 30, 30, 100, 4095, 4096, 4097, 6000, read + 1, write + 1];
    if (random.chance(0.3)) sizes.push(4096 * 2, 4096 * 2, 5_000, 5_000, 20_000);
    this.#sizes = random.chance(0.35) ? [0, 10, 20, 50] : sizes;
    this.#scheduler = new Scheduler<Client>(this, {
      weights,
      mostJumps: Infinity,
      newKernel: (name) => new SimulatedKernel(name, this.system, this),
    });
    this.#here = this.#scheduler.here;
  }

  readonly open: OpenLoop = (...args) => this.#here.open(...args);
  readonly openElsewhere: OpenLoop = (...args) => this.#scheduler.elsewhere.open(...args);

  get now(): number {
    return this.#here.time;
  }

  get maxMessage(): number {
    return this.#plan.limits.maxMessage ?? 16 * 1024 * 1024;
  }

  frame(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return this.#plan.framing?.encode(message) ?? message;
  }

  get readBufferSize(): number {
    return this.#plan.readBufferSize;
  }

  get nameLost(): boolean {
    return this.#instanceLost;
  }

  get tainted(): boolean {
    return this.connections.tainted;
  }

  /** Runs it from its beginning to its end. */
  async run(): Promise<Outcome> {
    const stopCatching = catchReports(this);
    const restore = this.#replaceGlobals();
    try {
      await this.#live();
    } catch (error) {
      this.violate(`thrown: ${error instanceof Error ? error.stack : error}`);
    } finally {
      restore();
      stopCatching();
    }
    return {
      seed: this.seed,
      steps: this.#scheduler.steps,
      events: this.#scheduler.events,
      clients: this.#clientsMade,
      counts: this.counts,
      coverage: this.coverage,
      violation: this.violation,
    };
  }

  violate(what: string): void {
    this.violation ??= what;
    this.tell?.(`VIOLATION: ${what}`);
  }

  /** Whether an error is one that is meant to be. */
  expected(error: unknown): boolean {
    if (error instanceof Planted) return true;
    if (error instanceof TypeError) {
      return /^Cannot (answer|use the result of "authorize"|perform)/.test(error.message);
    }
    return false;
  }

  requestSize(): number {
    return this.random.some(this.#sizes) ?? 0;
  }

  replySize(): number {
    return this.random.some(this.#sizes) ?? 0;
  }

  pause(): Promise<void> {
    return this.#scheduler.pause();
  }

  late(): Promise<void> {
    return this.#scheduler.late();
  }

  join(end: ClientEnd, link: Link): void {
    this.connections.join(end, link);
  }

  /** See {@linkcode Hosting}. */
  get record(): ServerRecord | undefined {
    return this.#server?.record;
  }

  /** See {@linkcode Hosting}. */
  taintOf(end: ClientEnd): string | undefined {
    return this.#here.kernel?.taintOf(end);
  }

  /** See {@linkcode Surroundings} of the model. */
  sidOf(process: number): string {
    return this.system.processes.identityOf(process).sid;
  }

  writes(bytes: Uint8Array): boolean {
    return this.#here.kernel?.writes(bytes) ?? false;
  }

  pends(bytes: Uint8Array): boolean {
    return this.#here.kernel?.pends(bytes) ?? false;
  }

  ended(bytes: Uint8Array): boolean {
    return this.#here.kernel?.ended(bytes) ?? false;
  }

  /** See {@linkcode Around}. */
  instanceLost(): void {
    this.#instanceLost = true;
  }

  /** See {@linkcode Around}. */
  waitFailed(kernel: SimulatedKernel): void {
    if (kernel === this.#here.kernel) this.#server?.lose(false);
  }

  /** See {@linkcode Around}. */
  intrude(): void {
    for (let i = this.random.between(1, 2); i > 0; i--) {
      this.stamp++;
      this.#scheduler.intrude();
    }
  }

  /** See {@linkcode Around}. */
  passBy(): void {
    const process = this.system.newProcess();
    const { end } = this.system.open(this.path, {
      process,
      tracking: this.random.pick(TRACKING),
    });
    if (end === undefined) return;
    const link = this.model.connected("a passer-by", false, false, process);
    this.join(end, link);
    // Whoever only asks whether the name exists comes and leaves, too.
    if (this.random.chance(0.7)) {
      const sent = link.compose(this.requestSize());
      const write = new Operation(() => {
        sent.state = write.status === Status.SUCCESS ? "done" : "withdrawn";
        sent.at = this.stamp;
        link.withdrew = sent.state === "withdrawn";
      });
      end.write(write, this.frame(sent.bytes));
    }
    link.left = true;
    end.close();
    this.tell?.("a passer-by has come and left");
  }

  /** The user's code may end the server, wherever it is. */
  mayEnd(probability: number = 0.002): void {
    if (!this.#started || this.tidying || !this.random.chance(probability)) return;
    const server = this.#server;
    if (server === undefined || server.gone) return;
    const ending: Ending = this.random.pick(ENDINGS);
    this.tell?.(`— the user's code ends the server: ${ending}`);
    server.end(ending);
  }

  /** The user's code takes its time, within a task. */
  work(): void {
    if (!this.random.chance(this.rates.drags)) return;
    this.counts.add(Kind.DRAGGED);
    this.#here.kernel?.pass(WORK);
    this.#userTime += WORK;
    // Without a loop nobody divides what is left into turns.
    if (this.#server?.record.failed) return;
    if (this.#userTime > LONGEST_TASK) {
      this.violate(`I10: user code ran for ${this.#userTime} ms in one task`);
    }
  }

  /** An instance's state machine gets an event. */
  observe(state: { readonly name: string }, event: string, last: boolean): void {
    this.tell?.(`instance: ${stateName(state)} + ${event}`);
    const next = this.coverage.add(state, event, last);
    if (next === undefined) this.violate(`"${event}" cannot happen while ${stateName(state)}`);
    else if (this.random.chance(haste(next))) this.#endSoon = true;
  }

  /** A program may have replaced what the module had when it was imported, as fake timers do. */
  #replaceGlobals(): () => void {
    const { queueMicrotask: original } = globalThis;
    globalThis.queueMicrotask = () => this.violate("a replaced queueMicrotask is called");
    return () => globalThis.queueMicrotask = original;
  }

  async #live(): Promise<void> {
    this.#serve();
    this.#makeClients();
    this.#started = true;
    const length = this.random.between(200, 800);
    const endAt = this.random.chance(0.6) ? this.random.below(length) : undefined;
    const again = (endAt ?? length) + this.random.between(1, 50);
    for (let i = 0; i < length && this.violation === undefined; i++) {
      const ends = i === endAt || i === again && this.random.chance(0.5);
      if (ends || this.#endSoon) await this.#task(this.#beginEnd);
      if (this.#endSoon && this.random.chance(0.5)) await this.#task(this.#fireDue);
      this.#endSoon = false;
      if (this.random.chance(REF_CHANCE)) await this.#task(this.#turnRef);
      // What a server leaves behind that could not be opened closes soon.
      const gone = (this.#server?.gone ?? true) && !this.system.exists(PATH);
      if (gone && this.random.chance(0.05)) await this.#task(this.#serveAgain);
      await this.#scheduler.step();
    }
    this.#tidy();
    await this.#scheduler.rest("the clients tidy up");
    if (this.violation !== undefined) return;
    await this.#probe();
    this.#checkServing();
    await this.#task(this.#endServer);
    await this.#scheduler.rest("the server ends");
    this.#leaveAll();
    await this.#scheduler.rest("everything ends");
    this.#checkEnd();
  }

  /** Something that a program does in a task of its own. */
  #task(task: () => void): Promise<void> {
    task.call(this);
    return drain();
  }

  #serve(): void {
    const known = this.model.links.length;
    this.#server = undefined;
    const server = this.#open();
    this.#server = server;
    // Clients come before the call that makes a server has ended.
    for (const link of this.model.links.slice(known)) link.server = server?.record;
  }

  #open(): UserServer | undefined {
    if (this.random.chance(0.5)) return new Iterating(this, this.#plan);
    try {
      return new Serving(this, this.#plan);
    } catch (error) {
      // Only a fault can be the reason.
      if (this.rates.fails === 0) throw error;
      this.tell?.(`serve() throws: ${error}`);
      return undefined;
    }
  }

  /** Another server takes the place of one that has ended. */
  #serveAgain(): void {
    if (this.#server !== undefined) this.model.atEnd(this.#server.record);
    this.tell?.("— another server");
    this.#instanceLost = false;
    this.#serve();
    if (this.random.chance(0.1)) this.#beginEnd();
  }

  #makeClients(): void {
    const number = this.random.between(3, 7);
    for (let i = 0; i < number; i++) this.#addClient();
  }

  #addClient(): void {
    const number = this.#clientsMade++;
    if (this.random.chance(0.0001)) {
      this.#scheduler.clients.push(new RawClient(this, number, TOO_LONG));
      return;
    }
    if (this.prefix > 0 || this.random.chance(0.7)) {
      this.#scheduler.clients.push(new RawClient(this, number, this.random.pick(MANNERS)));
      return;
    }
    const style = this.random.pick(STYLES);
    const client = new LoopClient(this, number, style, this.random.chance(0.5));
    this.connections.clients.set(client.path, client);
    this.#scheduler.clients.push(client);
  }

  /** Another client comes in place of one that is done. */
  replace(client: Client): boolean {
    if (this.tidying || this.#clientsMade >= MOST_CLIENTS) return false;
    this.#scheduler.clients.splice(this.#scheduler.clients.indexOf(client), 1);
    this.#addClient();
    return true;
  }

  /** See {@linkcode Scheduled}. */
  get pusher(): UserServer | undefined {
    return this.#server?.serving && !this.tidying ? this.#server : undefined;
  }

  /** See {@linkcode Scheduled}. */
  beginStep(): void {
    this.stamp++;
    this.#userTime = 0;
    this.task++;
    this.taskBegin = this.now;
  }

  /** See {@linkcode Scheduled}. */
  check(): void {
    this.#checkInstances();
    this.#checkPeace();
    this.#checkKept();
    this.checkName();
  }

  /** A server keeps its program running as long as it is meant to, and no longer. */
  #checkKept(): void {
    const kernel = this.#here.kernel;
    const server = this.#server;
    if (kernel === undefined || server === undefined || server.gone || server.record.failed) return;
    // Without an instance it has ended, and the program is about to be told.
    const ended = this.system.count(this.path).servers === 0;
    if (server.keepsProgram && !kernel.keepsAlive && !ended) {
      this.violate("the server's program may end");
    }
    if (server.keepsProgram || [...this.connections.clients.values()].some(({ here }) => here)) {
      return;
    }
    if (kernel.keepsAlive) this.violate("the program is kept by a server that was unref'd");
  }

  #turnRef(): void {
    if (this.#server !== undefined && !this.#server.gone) this.#server.turnRef();
  }

  #checkInstances(): void {
    const { maxInstances = Infinity } = this.#plan;
    const { servers } = this.system.count(this.path);
    if (servers > maxInstances) this.violate(`${servers} instances are more than ${maxInstances}`);
  }

  /** In a world without failures, whoever waits knows all that there is to know. */
  #checkPeace(): void {
    if (this.#rough || this.connections.tainted || this.#scheduler.steps % PEACE_STEPS !== 0) {
      return;
    }
    const { kernel } = this.#here;
    if (!this.#server?.serving || kernel === undefined || !this.#here.isAtPeace) return;
    const { record } = this.#server;
    // What nobody has asked for yet takes room too.
    if (!record.queues) this.model.atPeaceWithRoom(record);
    if (this.#plan.limits.maxBuffered !== undefined) return;
    this.model.atPeace(record);
    const due = kernel.nextTimer !== undefined && kernel.nextTimer <= kernel.time;
    if (!due && !this.#blurred && kernel.longestWrite > record.limits.writeTimeout + TIMER_SLACK) {
      this.violate(`I7: a message is unread for ${kernel.longestWrite} ms`);
    }
  }

  /** Nothing happens until some time limit runs out. */
  checkStandstill(): void {
    const { kernel } = this.#here;
    if (kernel === undefined || this.#server === undefined || this.#server.over) return;
    const { nextTimer = Infinity } = kernel;
    if (nextTimer > kernel.time + LONGEST_RETRY) this.model.atStandstill(this.#server.record);
  }

  /** Clients must find the name at all times, or else anyone could take it. */
  checkName(): void {
    if (this.#server === undefined || !this.#server.serving || this.#server.record.failed) return;
    if (this.#instanceLost) return;
    if (!this.system.exists(this.path)) this.violate("the name has vanished");
  }

  #beginEnd(): void {
    const ending: Ending = this.random.pick(ENDINGS);
    const server = this.#server;
    if (server === undefined || server.gone) return;
    if (this.random.chance(0.1)) return this.#lose(server);
    this.tell?.(`— the server is to end: ${ending}`);
    server.end(ending);
  }

  /** Time limits that have run out by now take effect. */
  #fireDue(): void {
    const kernel = this.#here.kernel;
    if (kernel?.nextTimer !== undefined && kernel.nextTimer <= kernel.time) kernel.fireTimer();
  }

  /** The server's whole program comes to an end that it did not ask for. */
  #lose(server: UserServer): void {
    const atOnce = this.random.chance(0.5);
    server.lose(atOnce);
    if (atOnce) {
      this.counts.add(Kind.UNLOAD);
      this.tell?.("— the program goes away");
      this.#here.unload();
      for (const client of this.connections.clients.values()) client.perish();
    } else {
      this.tell?.("— the wait is to fail");
      this.#here.failWait(this.random.some(WAIT_FAILURES) ?? Status.UNKNOWN);
      // So that there is another wait.
      this.#here.kernel?.wake();
    }
  }

  #tidy(): void {
    this.tell?.("— everybody tidies up");
    this.tidying = true;
    this.rates = { ...noFaults(), delays: this.rates.delays };
    for (const client of this.#scheduler.clients) if (this.random.chance(0.3)) client.kill();
    this.#scheduler.tidy();
  }

  /** See {@linkcode Scheduled}. */
  anyoneActs(): boolean {
    const { clients } = this.#scheduler;
    // Twice, since to begin to read is not much of an act.
    return [...clients, ...clients].some((client) => client.act());
  }

  /** I7: whoever behaves is served, whatever others did. */
  async #probe(): Promise<void> {
    if (!this.#isServing()) return;
    for (const client of this.#scheduler.clients) {
      if (!client.done) this.violate(`I7: ${client.name} never got what it waits for`);
    }
    this.#scheduler.clients.splice(0);
    this.model.allGone();
    const probes = [0, 1].map((i) => new RawClient(this, i, PROBE));
    this.#scheduler.clients.push(...probes);
    await this.#scheduler.rest("probes are served");
    if (!this.#isServing()) return;
    for (const probe of probes) {
      if (!probe.done) this.violate(`I7: ${probe.name} is not served`);
    }
  }

  #isServing(): boolean {
    return this.violation === undefined && this.#server !== undefined && this.#server.serving;
  }

  #checkServing(): void {
    if (!this.#isServing() || this.#server === undefined) return;
    this.model.atRest(this.#server.record);
    const { instances, maxInstances = Infinity } = this.#plan;
    const { listening } = this.system.count(this.path);
    const most = Math.min(2 * instances, maxInstances);
    if (listening < Math.min(instances, maxInstances) || listening > most) {
      this.violate(`I7: ${listening} instances listen instead of ${instances} to ${most}`);
    }
  }

  #endServer(): void {
    if (this.#server?.serving) this.#beginEnd();
  }

  #leaveAll(): void {
    for (const client of this.#scheduler.clients) client.kill();
  }

  #checkEnd(): void {
    if (this.violation !== undefined) return;
    if (this.#server !== undefined) {
      const { over, record } = this.#server;
      if (!over && !record.failed) this.violate("I8: the server never ends");
      this.model.atEnd(this.#server.record);
    }
    this.model.atLast();
    const { connections } = this.system;
    if (this.model.sessions.size > connections) {
      this.violate(`I5: ${this.model.sessions.size} clients came by ${connections} connections`);
    }
    for (const client of this.#scheduler.clients) {
      if (!client.done) this.violate(`I8: ${client.name} never ends`);
    }
    this.#scheduler.checkEnd();
    if (this.system.names.length > 0) this.violate("I8: the name is still there");
  }
}

/** How likely an end follows at once: more in states that last so short that none would else. */
function haste(state: State): number {
  switch (state.name) {
    case "reading":
      return state.rest ? state.disconnected ? 0.2 : 0.02 : 0;
    case "closing":
      return state.reuse ? 0.4 : 0.05;
    default:
      return 0;
  }
}
