/**
 * A history of connections: a listener, its clients and the system, each step of which follows from
 * the seed. Both ends of each connection send and receive as they like.
 *
 * @module
 */

import { Status } from "../../src/kernel/status.ts";
import type { OpenLoop } from "../../src/loop/isolate.ts";
import { MemorySystem } from "../memory_kernel.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { USER } from "../../src/testing/memory/processes.ts";
import { ConnectionKernel } from "./connection_kernel.ts";
import { ConnectionModel } from "./connection_model.ts";
import type { ListenerRecord, Wire } from "./sides.ts";
import { Coverage, stateName } from "./coverage.ts";
import { Counts, Kind, noFaults, type Rates, someFaults, WAIT_FAILURES } from "./faults.ts";
import type { Around, SimulatedKernel } from "./kernel.ts";
import { type Ending, ENDINGS, Listening, type Plan, somePlan } from "./listening.ts";
import { ModuleClient } from "./module_client.ts";
import type { Outcome } from "./outcome.ts";
import type { Program } from "./program.ts";
import { Random } from "./random.ts";
import { RawTalker } from "./raw_talkers.ts";
import { catchReports } from "./reports.ts";
import { drain, LONGEST_RETRY, PATH, type Scheduled, Scheduler } from "./scheduler.ts";
import { Planted } from "./planted.ts";
import { type Shape, someShape } from "./shape.ts";
import type { Actor, Stage } from "./stage.ts";
import { someWeights } from "./weights.ts";
import { type Hosting, Wires } from "./wires.ts";

/** Timers after which nothing comes of waiting. */
const MOST_JUMPS = 100;

/** Clients of one history, one after the other. */
const MOST_CLIENTS = 40;

/** A client of either kind. */
type Client = RawTalker | ModuleClient;

/** See the module. */
export class ConnectionHistory implements Stage, Around, Hosting, Scheduled<Client> {
  readonly seed: number;
  readonly random: Random;
  readonly system = new MemorySystem();
  readonly counts = new Counts();
  readonly coverage = new Coverage();
  readonly model: ConnectionModel = new ConnectionModel(this);
  readonly connections: Wires = new Wires(this);
  readonly path = PATH;
  readonly shape: Shape;
  readonly tell: ((what: string) => void) | undefined;
  rates: Rates;
  task = 0;
  tidying = false;
  nameLost = false;
  violation: string | undefined;
  readonly #plan: Plan;
  readonly #sizes: readonly number[];
  readonly #scheduler: Scheduler<Client, ConnectionKernel>;
  readonly #here: Program<ConnectionKernel>;
  readonly #elsewhere: Program<ConnectionKernel>;
  readonly #actors: Actor[] = [];
  #listening: Listening | undefined;
  /** What is known of the listener, even while it begins to listen. */
  #record: ListenerRecord | undefined;
  #made = 0;
  /** A session is in a state that seldom lasts: an end would meet it there. */
  #endSoon = false;

  constructor(seed: number, trace?: (what: string) => void) {
    this.seed = seed;
    this.tell = trace;
    this.system.processes.newIdentity = (process) => ({ ...USER, sid: `${USER.sid}-${process}` });
    const random = this.random = new Random(seed);
    this.rates = someFaults(random);
    this.shape = someShape(random);
    this.#plan = somePlan(random, this.shape);
    const weights = someWeights(random, [0, 0, 0.02, 0.2]);
    this.system.ways.takesEmpty = random.chance(0.5);
    this.system.ways.makesRoom = random.chance(0.5);
    this.system.ways.keepsPending = random.chance(0.5);
    const { readBufferSize: read, writeBufferSize: write } = this.#plan;
    const sizes = [0, 1, 5, 30, 30, 30, 100, 4095, 4096, 4097, 6000, read + 1, write + 1];
    if (this.#plan.limits.maxMessage !== undefined) sizes.push(20_000);
    if (random.chance(0.1)) sizes.push(20_000, 65_536, 70_000, 140_000);
    this.#sizes = random.chance(0.4) ? [0, 10, 20, 50] : sizes;
    this.#scheduler = new Scheduler<Client, ConnectionKernel>(this, {
      weights,
      mostJumps: MOST_JUMPS,
      newKernel: (name) => new ConnectionKernel(name, this.system, this),
    });
    this.#here = this.#scheduler.here;
    this.#elsewhere = this.#scheduler.elsewhere;
  }

  readonly open: OpenLoop = (...args) => this.#here.open(...args);
  readonly openElsewhere: OpenLoop = (...args) => this.#elsewhere.open(...args);

  get jumps(): boolean {
    return this.#scheduler.jumps;
  }

  get now(): number {
    return this.#here.time;
  }

  /** Runs it from its beginning to its end. */
  async run(): Promise<Outcome> {
    const stopCatching = catchReports(this);
    try {
      await this.#live();
    } catch (error) {
      this.violate(`thrown: ${error instanceof Error ? error.stack : error}`);
    } finally {
      stopCatching();
    }
    return {
      seed: this.seed,
      steps: this.#scheduler.steps,
      events: this.#scheduler.events,
      clients: this.#made,
      counts: this.counts,
      coverage: this.coverage,
      violation: this.violation,
    };
  }

  violate(what: string): void {
    this.violation ??= what;
    this.tell?.(`VIOLATION: ${what}`);
  }

  expected(error: unknown): boolean {
    return error instanceof Planted;
  }

  size(): number {
    return this.random.some(this.#sizes) ?? 0;
  }

  pause(): Promise<void> {
    return this.#scheduler.pause();
  }

  late(): Promise<void> {
    return this.#scheduler.late();
  }

  hosts(record: ListenerRecord): void {
    this.#record = record;
  }

  add(actor: Actor): void {
    this.#actors.push(actor);
  }

  join(...client: Parameters<Stage["join"]>): Wire {
    return this.connections.join(...client);
  }

  left(end: ClientEnd): void {
    this.connections.left(end);
  }

  /** See {@linkcode Hosting}. */
  get record(): ListenerRecord | undefined {
    return this.#record;
  }

  /** See {@linkcode Hosting}. */
  get moduleClients(): ModuleClient[] {
    return this.#scheduler.clients.filter((client) => client instanceof ModuleClient);
  }

  /** See {@linkcode Hosting}. */
  get here(): Program<ConnectionKernel> {
    return this.#here;
  }

  /** See {@linkcode Hosting}. */
  get elsewhere(): Program<ConnectionKernel> {
    return this.#elsewhere;
  }

  /** See {@linkcode Around}. */
  instanceLost(): void {
    this.nameLost = true;
  }

  /** See {@linkcode Around}. */
  waitFailed(kernel: SimulatedKernel): void {
    if (kernel === this.#here.kernel) this.#loseProgram();
  }

  /** See {@linkcode Around}. */
  intrude(): void {
    this.#scheduler.intrude();
  }

  /** See {@linkcode Around}. */
  passBy(): void {
    if (this.#record === undefined) return;
    const client: RawTalker = new RawTalker(this, this.#made++);
    if (client.act()) client.end();
  }

  pends(bytes: Uint8Array): boolean {
    if (this.shape.type === "byte") return false;
    return [this.#here.kernel, this.#elsewhere.kernel].some((kernel) => kernel?.pends(bytes));
  }

  mayEnd(probability: number = 0.002): void {
    if (this.tidying || !this.random.chance(probability)) return;
    this.#listening?.end(this.random.pick(ENDINGS));
  }

  observe(state: { readonly name: string }, event: string, last: boolean): void {
    this.tell?.(`${stateName(state)} + ${event}`);
    const next = this.coverage.add(state, event, last);
    if (next === undefined) this.violate(`"${event}" cannot happen while ${stateName(state)}`);
    else if (this.random.chance(haste(next.name))) this.#endSoon = true;
  }

  checkName(): void {
    if (this.#listening === undefined || !this.#listening.serving || this.nameLost) return;
    if (!this.system.exists(this.path)) this.violate("the name has vanished");
  }

  async #live(): Promise<void> {
    this.#listen();
    for (let i = this.random.between(2, 5); i > 0; i--) this.#addClient();
    const length = this.random.between(150, 600);
    const endAt = this.random.chance(0.5) ? this.random.below(length) : undefined;
    for (let i = 0; i < length && this.violation === undefined; i++) {
      if (i === endAt || this.#endSoon) await this.#task(() => this.#beginEnd());
      this.#endSoon = false;
      const gone = (this.#listening?.record.over ?? true) && !this.system.exists(PATH);
      if (gone && this.random.chance(0.05)) await this.#task(() => this.#listen());
      await this.#scheduler.step();
    }
    this.#tidy();
    await this.#scheduler.rest("everybody tidies up");
    for (const actor of this.#actors) {
      if (this.random.chance(0.5)) await this.#task(() => actor.end());
    }
    await this.#scheduler.rest("some have left");
    await this.#task(() => this.#endListener());
    await this.#scheduler.rest("the listener ends");
    for (const actor of this.#actors) await this.#task(() => actor.end());
    await this.#scheduler.rest("all have left");
    await this.#task(() => this.#listening?.endAll());
    await this.#scheduler.rest("everything ends");
    this.#checkEnd();
  }

  #task(task: () => void): Promise<void> {
    this.beginStep();
    task();
    return drain();
  }

  #listen(): void {
    this.nameLost = false;
    try {
      this.#listening = new Listening(this, this.#plan);
    } catch (error) {
      // Only a fault can be the reason.
      if (this.rates.fails === 0) throw error;
      this.tell?.(`listen() throws: ${error}`);
      if (this.#record !== undefined) this.#record.failed = true;
      this.#listening = undefined;
    }
  }

  #addClient(): void {
    const number = this.#made++;
    const client = this.random.chance(0.5)
      ? new RawTalker(this, number)
      : new ModuleClient(this, number);
    this.#scheduler.clients.push(client);
    this.#actors.push(client);
  }

  /** See {@linkcode Scheduled}. */
  beginStep(): void {
    this.task++;
    for (const program of [this.#here, this.#elsewhere]) program.beginTask();
  }

  /** Another client comes in place of one that is done. */
  replace(client: Client): boolean {
    if (this.tidying || this.#made >= MOST_CLIENTS) return false;
    this.#scheduler.clients.splice(this.#scheduler.clients.indexOf(client), 1);
    this.#addClient();
    return true;
  }

  /** See {@linkcode Scheduled}. */
  check(): void {
    for (const program of [this.#here, this.#elsewhere]) {
      if (program.isAtPeace) this.model.atPeace(program);
      const { kernel } = program;
      const keeps = this.model.keeps(program, program === this.#here ? this.#record : undefined);
      if (keeps && kernel !== undefined && !kernel.keepsAlive && !kernel.abandoned) {
        this.violate("a program may end though somebody waits");
      }
    }
    const { maxInstances = Infinity } = this.#plan;
    const { servers } = this.system.count(PATH);
    if (servers > maxInstances) this.violate(`${servers} instances are more than ${maxInstances}`);
    for (const wire of this.model.wires) this.model.checkAhead(wire);
    this.model.checkBacklog();
    this.checkName();
  }

  #beginEnd(): void {
    const listening = this.#listening;
    if (listening === undefined || !listening.serving) return;
    if (this.random.chance(0.9)) {
      const ending: Ending = this.random.pick(ENDINGS);
      return listening.end(ending);
    }
    if (this.random.chance(0.5)) {
      this.counts.add(Kind.UNLOAD);
      this.tell?.("— the program goes away");
      this.#loseProgram();
      this.#here.unload();
      return;
    }
    this.tell?.("— the wait is to fail");
    this.#here.failWait(this.random.some(WAIT_FAILURES) ?? Status.UNKNOWN);
    // So that there is another wait.
    this.#here.kernel?.wake();
  }

  /** Everything of the listener's program ends, and not by its doing. */
  #loseProgram(): void {
    this.#listening?.lose();
    for (const client of this.#scheduler.clients) {
      if (client instanceof ModuleClient) client.perish();
    }
    for (const { server } of this.model.wires) server.lost = true;
  }

  #tidy(): void {
    this.tell?.("— everybody tidies up");
    this.tidying = true;
    this.rates = { ...noFaults(), delays: this.rates.delays };
    this.#scheduler.tidy();
  }

  /** See {@linkcode Scheduled}. */
  anyoneActs(): boolean {
    return this.#scheduler.clients.some((client) => client.act());
  }

  /** Nothing happens until some time limit runs out, and nothing is tried again. */
  checkStandstill(): void {
    for (const { kernel } of [this.#here, this.#elsewhere]) {
      if ((kernel?.nextTimer ?? Infinity) <= (kernel?.time ?? 0) + LONGEST_RETRY) return;
    }
    this.model.atStandstill();
  }

  #endListener(): void {
    if (this.#listening?.serving) this.#beginEnd();
  }

  #checkEnd(): void {
    if (this.violation !== undefined) return;
    const record = this.#listening?.record;
    if (record !== undefined && !record.over && !record.failed) {
      this.violate("I8: the listener never ends");
    }
    this.model.atLast();
    for (const actor of this.#actors) {
      if (!actor.done) this.violate(`I8: ${actor.name} never ends`);
    }
    this.#scheduler.checkEnd();
    if (this.system.names.length > 0) this.violate("I8: the name is still there");
  }
}

/** How likely an end follows at once: more in states that last so short that none would else. */
function haste(state: string): number {
  return state === "arriving" || state === "authorizing" || state === "closing" ? 0.05 : 0;
}
