/**
 * A history of connections: a listener, its clients and the system, each step of which follows from
 * the seed. Both ends of each connection send and receive as they like.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Status } from "../../src/kernel/status.ts";
import type { OpenLoop } from "../../src/loop/isolate.ts";
import { MemorySystem } from "../memory_kernel.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { USER } from "../../src/testing/memory/processes.ts";
import { ConnectionKernel, type Observer } from "./connection_kernel.ts";
import { ConnectionModel, type TaskClock, type Wire } from "./connection_model.ts";
import { Coverage, stateName } from "./coverage.ts";
import { Counts, Kind, noFaults, type Rates, someFaults, WAIT_FAILURES } from "./faults.ts";
import type { Around, SimulatedKernel } from "./kernel.ts";
import { type Ending, ENDINGS, Listening, type Plan, somePlan } from "./listening.ts";
import { ModuleClient } from "./module_client.ts";
import type { Outcome } from "./outcome.ts";
import { Program } from "./program.ts";
import { Random } from "./random.ts";
import { RawTalker } from "./raw_talkers.ts";
import { Planted } from "./servers.ts";
import { type Shape, someShape } from "./shape.ts";
import type { Actor, Stage } from "./stage.ts";

const PATH = "\\\\.\\pipe\\simulated";

/** Steps after which a history that should have come to rest has not. */
const PATIENCE = 30_000;

/** Milliseconds after which nothing is tried again that failed in a shortage. */
const LONGEST_RETRY = 1_000;

/** Timers after which nothing comes of waiting. */
const MOST_JUMPS = 100;

/** Clients of one history, one after the other. */
const MOST_CLIENTS = 40;

/** How often each kind of step is taken, when it can be. */
interface Weights {
  readonly turn: number;
  readonly waitReturns: number;
  readonly waitBegins: number;
  readonly completion: number;
  readonly cancel: number;
  readonly timer: number;
  readonly program: number;
  readonly client: number;
  readonly time: number;
  readonly jump: number;
  readonly badEnd: number;
  readonly wake: number;
}

function someWeights(random: Random): Weights {
  return {
    turn: random.pick([1, 5, 20]),
    waitReturns: random.pick([1, 10]),
    waitBegins: random.pick([0.1, 10]),
    completion: random.pick([0.3, 3, 20]),
    cancel: random.pick([0.3, 5]),
    timer: random.pick([1, 10]),
    program: random.pick([0.3, 5]),
    client: random.pick([3, 10, 30]),
    time: random.pick([0.5, 0.5, 5]),
    jump: random.pick([0, 0, 0.02, 0.2]),
    badEnd: 1,
    wake: 1,
  };
}

/** See the module. */
export class ConnectionHistory implements Stage, Around, Observer {
  readonly seed: number;
  readonly random: Random;
  readonly system = new MemorySystem();
  readonly counts = new Counts();
  readonly coverage = new Coverage();
  readonly model: ConnectionModel = new ConnectionModel(this);
  readonly path = PATH;
  readonly shape: Shape;
  readonly tell: ((what: string) => void) | undefined;
  rates: Rates;
  task = 0;
  tidying = false;
  nameLost = false;
  readonly #plan: Plan;
  readonly #weights: Weights;
  readonly #sizes: readonly number[];
  readonly #here: Program<ConnectionKernel>;
  readonly #elsewhere: Program<ConnectionKernel>;
  readonly #retired: ConnectionKernel[] = [];
  readonly #actors: Actor[] = [];
  readonly #clients: (RawTalker | ModuleClient)[] = [];
  readonly #wires = new Map<ClientEnd, Wire>();
  readonly #numbers = new Map<Listening["record"], number>();
  #listening: Listening | undefined;
  /** What is known of the listener, even while it begins to listen. */
  #record: Listening["record"] | undefined;
  #tasks: (() => void)[] = [];
  #lateTasks: (() => void)[] = [];
  #violation: string | undefined;
  #steps = 0;
  #idle = 0;
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
    this.#weights = someWeights(random);
    this.system.ways.takesEmpty = random.chance(0.5);
    this.system.ways.makesRoom = random.chance(0.5);
    this.system.ways.keepsPending = random.chance(0.5);
    const { readBufferSize: read, writeBufferSize: write } = this.#plan;
    const sizes = [0, 1, 5, 30, 30, 30, 100, 4095, 4096, 4097, 6000, read + 1, write + 1];
    if (this.#plan.limits.maxMessage !== undefined) sizes.push(20_000);
    if (random.chance(0.1)) sizes.push(20_000, 65_536, 70_000, 140_000);
    this.#sizes = random.chance(0.4) ? [0, 10, 20, 50] : sizes;
    const kernel = (name: string) => new ConnectionKernel(name, this.system, this);
    this.#here = new Program(this, () => kernel("kernel"));
    this.#elsewhere = new Program(this, () => kernel("other kernel"));
  }

  readonly open: OpenLoop = (...args) => this.#here.open(...args);
  readonly openElsewhere: OpenLoop = (...args) => this.#elsewhere.open(...args);

  /** See {@linkcode Around}. What connections lose is judged by what each end receives. */
  cutShort(): void {}

  /** See {@linkcode Around}. */
  closed(): void {}

  get jumps(): boolean {
    return this.#weights.jump > 0;
  }

  get now(): number {
    return this.#here.time;
  }

  /** Runs it from its beginning to its end. */
  async run(): Promise<Outcome> {
    const stopCatching = this.#catchReports();
    try {
      await this.#live();
    } catch (error) {
      this.violate(`thrown: ${error instanceof Error ? error.stack : error}`);
    } finally {
      stopCatching();
    }
    return {
      seed: this.seed,
      steps: this.#steps,
      events: this.events,
      clients: this.#made,
      counts: this.counts,
      coverage: this.coverage,
      violation: this.#violation,
    };
  }

  /** Calls of the kernels and completions. */
  get events(): number {
    return [...this.#retired, this.#here.kernel, this.#elsewhere.kernel]
      .reduce((sum, kernel) => sum + (kernel?.events ?? 0), 0);
  }

  violate(what: string): void {
    this.#violation ??= what;
    this.tell?.(`VIOLATION: ${what}`);
  }

  expected(error: unknown): boolean {
    return error instanceof Planted;
  }

  size(): number {
    return this.random.some(this.#sizes) ?? 0;
  }

  pause(): Promise<void> {
    return new Promise((resolve) => this.#tasks.push(resolve));
  }

  late(): Promise<void> {
    if (this.tidying) return this.pause();
    return new Promise((resolve) => this.#lateTasks.push(resolve));
  }

  hosts(record: Listening["record"]): void {
    this.#record = record;
  }

  add(actor: Actor): void {
    this.#actors.push(actor);
  }

  join(
    end: ClientEnd,
    owner: string,
    process: number,
    clock: TaskClock,
    writeTimeout: number,
  ): Wire {
    const { model } = this;
    const record = this.#record;
    if (record === undefined) throw new Error("a client of nobody");
    const clocks = { server: this.#here, client: clock };
    const id = model.wires.length;
    const wire = model.connected(id, owner, process, record, this.shape, clocks, writeTimeout);
    this.#wires.set(end, wire);
    const why = this.#here.kernel?.taintOf(end);
    if (why !== undefined) this.taint(end, why);
    return wire;
  }

  /** See {@linkcode Around}. */
  opened(path: string, end: ClientEnd, process: number): void {
    for (const client of this.#clients) {
      if (!(client instanceof ModuleClient) || client.path !== path) continue;
      const program = client.elsewhere ? this.#elsewhere : this.#here;
      const { name, writeTimeout } = client;
      client.joined(this.join(end, name, process, program, writeTimeout));
    }
  }

  /** See {@linkcode Observer}. */
  met(end: ClientEnd): void {
    const record = this.#record;
    const wire = this.#wires.get(end);
    if (record === undefined) return;
    const number = (this.#numbers.get(record) ?? 0) + 1;
    this.#numbers.set(record, number);
    if (wire !== undefined) this.model.met(wire, number);
  }

  /** See {@linkcode Observer}. */
  serverGone(end: ClientEnd): void {
    const wire = this.#wires.get(end);
    if (wire !== undefined) wire.server.gone = true;
  }

  /** See {@linkcode Observer}. */
  taken(end: ClientEnd, bytes: number): void {
    const wire = this.#wires.get(end);
    if (wire === undefined) return;
    wire.taken += bytes;
    wire.chunk = Math.max(wire.chunk, bytes);
  }

  /** See {@linkcode Around}. */
  taint(end: ClientEnd, why: string): void {
    const wire = this.#wires.get(end);
    if (wire === undefined) return;
    wire.tainted ??= why;
    wire.crashed ||= why === Kind.CRASHED;
    for (const { in_ } of [wire.server, wire.client]) in_.broken = true;
  }

  /** See {@linkcode Around}. */
  evicted(end: ClientEnd): void {
    const wire = this.#wires.get(end);
    if (wire !== undefined) this.model.evicted(wire);
  }

  /** See {@linkcode Around}. */
  left(end: ClientEnd): void {
    const wire = this.#wires.get(end);
    if (wire !== undefined) wire.client.gone = true;
  }

  /** See {@linkcode Around}. */
  instanceLost(): void {
    this.nameLost = true;
  }

  /** See {@linkcode Around}. What others judge, in the histories of exchanges. */
  unknown(): void {}
  measured(): void {}
  readsOn(): void {}
  withdrew(): void {}

  /** See {@linkcode Around}. */
  waitFailed(kernel: SimulatedKernel): void {
    if (kernel === this.#here.kernel) this.#loseProgram();
  }

  /** See {@linkcode Around}. */
  intrude(): void {
    const kernel = this.random.chance(0.7) ? this.#here.kernel : this.#elsewhere.kernel;
    switch (this.random.weighted({ client: 3, completion: 2, waitBegins: 1, cancel: 1 })) {
      case "client": {
        const client = this.random.some(this.#clients);
        if (client instanceof RawTalker) client.act();
        return;
      }
      case "completion":
        return this.#complete(kernel);
      case "waitBegins":
        if (kernel?.waitState === "dispatched") kernel.begin();
        return;
      case "cancel": {
        const [late] = kernel?.late() ?? [];
        if (late !== undefined) kernel?.cancelAtLast(late);
      }
    }
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

  retire(kernel: ConnectionKernel): void {
    this.#retired.push(kernel);
  }

  observe(state: { readonly name: string }, event: string, last: boolean): void {
    this.tell?.(`${stateName(state)} + ${event}`);
    const next = this.coverage.add(state, event, last);
    if (next === undefined) this.violate(`"${event}" cannot happen while ${stateName(state)}`);
    else if (this.random.chance(haste(next.name))) this.#endSoon = true;
  }

  crashed(error: unknown): void {
    if (error instanceof Planted) return;
    this.violate(`thrown: ${error instanceof Error ? error.stack : error}`);
  }

  checkName(): void {
    if (this.#listening === undefined || !this.#listening.serving || this.nameLost) return;
    if (!this.system.exists(this.path)) this.violate("the name has vanished");
  }

  #catchReports(): () => void {
    const { error: original } = console;
    const rejected = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      this.violate(`unhandled rejection: ${event.reason?.stack ?? event.reason}`);
    };
    const thrown = (event: ErrorEvent) => {
      event.preventDefault();
      this.violate(`thrown: ${event.error?.stack ?? event.message}`);
    };
    console.error = (...what: unknown[]) => {
      if (!this.expected(what.at(-1))) this.violate(`reported: ${what.at(-1)}`);
    };
    globalThis.addEventListener("unhandledrejection", rejected);
    globalThis.addEventListener("error", thrown);
    return () => {
      globalThis.removeEventListener("error", thrown);
      globalThis.removeEventListener("unhandledrejection", rejected);
      console.error = original;
    };
  }

  async #live(): Promise<void> {
    this.#listen();
    for (let i = this.random.between(2, 5); i > 0; i--) this.#addClient();
    const length = this.random.between(150, 600);
    const endAt = this.random.chance(0.5) ? this.random.below(length) : undefined;
    for (let i = 0; i < length && this.#violation === undefined; i++) {
      if (i === endAt || this.#endSoon) await this.#task(() => this.#beginEnd());
      this.#endSoon = false;
      const gone = (this.#listening?.record.over ?? true) && !this.system.exists(PATH);
      if (gone && this.random.chance(0.05)) await this.#task(() => this.#listen());
      await this.#step();
    }
    this.#tidy();
    await this.#rest("everybody tidies up");
    for (const actor of this.#actors) {
      if (this.random.chance(0.5)) await this.#task(() => actor.end());
    }
    await this.#rest("some have left");
    await this.#task(() => this.#endListener());
    await this.#rest("the listener ends");
    for (const actor of this.#actors) await this.#task(() => actor.end());
    await this.#rest("all have left");
    await this.#task(() => this.#listening?.endAll());
    await this.#rest("everything ends");
    this.#checkEnd();
  }

  #task(task: () => void): Promise<void> {
    this.#beginTask();
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
    this.#clients.push(client);
    this.#actors.push(client);
  }

  #beginTask(): void {
    this.task++;
    for (const program of [this.#here, this.#elsewhere]) program.beginTask();
  }

  async #step(): Promise<void> {
    this.#steps++;
    this.#beginTask();
    if (this.#takeStep()) await drain();
    this.#check();
  }

  /** True: something ran in a program. */
  #takeStep(): boolean {
    const { random } = this;
    const { kernel } = this.#pickProgram();
    const weights = this.#weights;
    const held = kernel?.deliverable() ?? [];
    const late = kernel?.late() ?? [];
    const waits = kernel?.waitState;
    const next = kernel?.nextTimer;
    const due = next !== undefined && kernel !== undefined && next <= kernel.time;
    const step = random.weighted({
      turn: (kernel?.leftovers().turns ?? 0) > 0 ? weights.turn : 0,
      waitReturns: waits === "over" ? weights.waitReturns : 0,
      waitBegins: waits === "dispatched" ? weights.waitBegins : 0,
      completion: held.length > 0 ? weights.completion : 0,
      cancel: late.length > 0 ? weights.cancel : 0,
      timer: due ? weights.timer : 0,
      program: this.#tasks.length > 0 ? weights.program : 0,
      client: this.#clients.length > 0 ? weights.client : 0,
      time: kernel !== undefined ? weights.time : 0,
      jump: next !== undefined ? weights.jump : 0,
      badEnd: kernel !== undefined && this.rates.endsBadly > 0 ? weights.badEnd : 0,
      wake: this.rates.wakes > 0 && waits !== "none" ? weights.wake : 0,
    });
    this.#idle = step === "client" || step === "time" || step === "wake" ? this.#idle + 1 : 0;
    if (step === undefined) this.#idle++;
    kernel?.acted();
    switch (step) {
      case "turn":
        this.tell?.("— a turn");
        kernel?.turn();
        return true;
      case "waitReturns":
        this.tell?.("— the wait returns");
        kernel?.returnWait();
        return true;
      case "waitBegins":
        kernel?.begin();
        return false;
      case "completion":
        this.#complete(kernel);
        return false;
      case "cancel":
        for (const flight of late.slice(0, 1)) kernel?.cancelAtLast(flight);
        return false;
      case "timer":
      case "jump":
        if (step === "timer") this.counts.add(Kind.TIMER_LATE);
        this.tell?.(`— a timer, at ${next}`);
        kernel?.fireTimer();
        return true;
      case "program":
        this.tell?.("— the program goes on");
        this.#tasks.splice(random.below(this.#tasks.length), 1)[0]?.();
        return true;
      case "client":
        return this.#actClient();
      case "time":
        kernel?.pass(random.fraction() * 3);
        return false;
      case "badEnd":
        if (random.chance(this.rates.endsBadly)) this.#endBadly(kernel);
        return false;
      case "wake":
        if (random.chance(this.rates.wakes)) {
          this.counts.add(Kind.SPURIOUS);
          kernel?.wake();
        }
        return false;
      case undefined:
        return false;
    }
  }

  #pickProgram(): Program<ConnectionKernel> {
    if (this.#here.kernel === undefined) return this.#elsewhere;
    const other = this.#elsewhere.kernel !== undefined;
    return other && this.random.chance(0.4) ? this.#elsewhere : this.#here;
  }

  /** Completions can be seen: one, or many at once. */
  #complete(kernel: SimulatedKernel | undefined): void {
    const times = this.random.chance(0.2) ? 3 : 1;
    for (let i = 0; i < times; i++) {
      const flight = this.random.some(kernel?.deliverable() ?? []);
      if (flight === undefined) return;
      if (i > 0) this.counts.add(Kind.BATCHED);
      kernel?.show(flight);
    }
  }

  #endBadly(kernel: SimulatedKernel | undefined): void {
    const pending = kernel?.inFlight().filter(({ operation }) =>
      operation.status === Status.PENDING
    );
    const flight = this.random.some(pending ?? []);
    if (flight !== undefined) kernel?.endBadly(flight);
  }

  #actClient(): boolean {
    const begin = this.random.below(this.#clients.length);
    for (let i = 0; i < this.#clients.length; i++) {
      const client = this.#clients[(begin + i) % this.#clients.length];
      if (client === undefined) continue;
      if (client.done ? this.#replace(client) : client.act()) {
        this.#idle = 0;
        return client instanceof ModuleClient;
      }
    }
    return false;
  }

  /** Another client comes in place of one that is done. */
  #replace(client: RawTalker | ModuleClient): boolean {
    if (this.tidying || this.#made >= MOST_CLIENTS) return false;
    this.#clients.splice(this.#clients.indexOf(client), 1);
    this.#addClient();
    return true;
  }

  #check(): void {
    for (const program of [this.#here, this.#elsewhere]) {
      program.kernel?.checkLiveness();
      if (program.kernel?.breach !== undefined) this.violate(program.kernel.breach.message);
      if (program.isAtPeace) this.model.atPeace(program);
      const { kernel } = program;
      const keeps = this.model.keeps(program, program === this.#here ? this.#record : undefined);
      if (keeps && kernel !== undefined && !kernel.keepsAlive && !kernel.abandoned) {
        this.violate("a program may end though somebody waits");
      }
      if (program.forgetsTime) this.violate("I10: time limits run, and there is no timer");
    }
    const breach = this.#retired.at(-1)?.breach;
    if (breach !== undefined) this.violate(breach.message);
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
    for (const client of this.#clients) if (client instanceof ModuleClient) client.perish();
    for (const { server } of this.model.wires) server.lost = true;
  }

  #tidy(): void {
    this.tell?.("— everybody tidies up");
    this.tidying = true;
    this.rates = { ...noFaults(), delays: this.rates.delays };
    for (const task of this.#lateTasks.splice(0)) this.#tasks.push(task);
  }

  /** Goes on until nothing more happens. */
  async #rest(until: string): Promise<void> {
    await drain();
    this.#idle = 0;
    let calm = 0;
    for (let i = 0; this.#violation === undefined; i++) {
      await this.#step();
      if (this.#idle < this.#clients.length) continue;
      if (this.#atRest() && !this.#clients.some((client) => client.act())) {
        this.#checkStandstill();
        const { events } = this;
        // A time limit that is not running begins anew each time.
        if (!this.#jump() || ++calm > MOST_JUMPS) return;
        await drain();
        if (this.events > events) calm = 0;
      }
      await drain();
      if (i > PATIENCE) this.violate(`I7: no rest while ${until}`);
    }
  }

  /** Whether no program has anything to do. */
  #atRest(): boolean {
    if (this.#tasks.length > 0) return false;
    for (const { kernel } of [this.#here, this.#elsewhere]) {
      if (kernel === undefined) continue;
      const waits = kernel.waitState;
      if (kernel.leftovers().turns > 0 || waits === "dispatched" || waits === "over") return false;
      if (kernel.deliverable().length > 0 || kernel.late().length > 0) return false;
    }
    return true;
  }

  /** Nothing happens until some time limit runs out, and nothing is tried again. */
  #checkStandstill(): void {
    for (const { kernel } of [this.#here, this.#elsewhere]) {
      if ((kernel?.nextTimer ?? Infinity) <= (kernel?.time ?? 0) + LONGEST_RETRY) return;
    }
    this.model.atStandstill();
  }

  /** Time passes until something is due. */
  #jump(): boolean {
    for (const { kernel } of [this.#here, this.#elsewhere]) {
      if (kernel?.nextTimer === undefined) continue;
      this.tell?.(`— a timer, at ${kernel.nextTimer}`);
      kernel.fireTimer();
      return true;
    }
    return false;
  }

  #endListener(): void {
    if (this.#listening?.serving) this.#beginEnd();
  }

  #checkEnd(): void {
    if (this.#violation !== undefined) return;
    const record = this.#listening?.record;
    if (record !== undefined && !record.over && !record.failed) {
      this.violate("I8: the listener never ends");
    }
    this.model.atLast();
    for (const actor of this.#actors) {
      if (!actor.done) this.violate(`I8: ${actor.name} never ends`);
    }
    for (const kernel of this.#retired) {
      const { open, timers } = kernel.leftovers();
      const late = kernel.abandoned ? 0 : timers;
      if (open + late > 0) this.violate(`I8: left over: ${open} handles, ${late} timers`);
    }
    for (const { kernel } of [this.#here, this.#elsewhere]) {
      if (kernel !== undefined) {
        this.violate(`I8: a loop lives on: ${JSON.stringify(kernel.leftovers())}`);
      }
    }
    if (this.system.names.length > 0) this.violate("I8: the name is still there");
  }
}

/** How likely an end follows at once: more in states that last so short that none would else. */
function haste(state: string): number {
  return state === "arriving" || state === "authorizing" || state === "closing" ? 0.05 : 0;
}

/** Lets every microtask run. */
function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
