/**
 * Chooses the steps of a history: what its programs, its clients and the system do next.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Status } from "../../src/kernel/status.ts";
import { type Counts, Kind, type Rates } from "./faults.ts";
import type { SimulatedKernel } from "./kernel.ts";
import { type Historian, Program } from "./program.ts";
import type { Random } from "./random.ts";
import { Planted } from "./planted.ts";
import type { Weights } from "./weights.ts";

/** The pipe of a history. */
export const PATH = "\\\\.\\pipe\\simulated";

/** Milliseconds after which nothing is tried again that failed in a shortage. */
export const LONGEST_RETRY = 1_000;

/** Steps after which a history that should have come to rest has not. */
const PATIENCE = 30_000;

/** A client, as far as its steps are concerned. */
export interface Acting {
  /** Whether it will do nothing more. */
  readonly done: boolean;
  /** Whether no program of this module has it, so that it may act at any time. */
  readonly isRaw: boolean;
  /** Does one thing, if there is something to do. */
  act(): boolean;
}

/** The history whose steps are chosen. */
export interface Scheduled<C extends Acting>
  extends Pick<Historian<SimulatedKernel>, "observe" | "violate"> {
  readonly random: Random;
  readonly counts: Counts;
  readonly rates: Rates;
  readonly tidying: boolean;
  /** What should not have happened, if anything did. */
  readonly violation: string | undefined;
  readonly tell: ((what: string) => void) | undefined;
  /** A server that sends by itself, if it does now. */
  readonly pusher?: { push(): void } | undefined;
  /** Another step begins. */
  beginStep(): void;
  /** A step is over. */
  check(): void;
  /** Lets another client come in place of one that is done. True: it did. */
  replace(client: C): boolean;
  /** Whether a client still has something to do. */
  anyoneActs(): boolean;
  /** Nothing happens any more until a timer fires. */
  checkStandstill(): void;
}

/** What a scheduler is made with. */
export interface SchedulerOptions<K extends SimulatedKernel> {
  readonly weights: Weights;
  /** Timers after which nothing comes of waiting. */
  readonly mostJumps: number;
  readonly newKernel: (name: string) => K;
}

/** See the module. */
export class Scheduler<C extends Acting, K extends SimulatedKernel = SimulatedKernel> {
  /** The program of the server, and another one. */
  readonly here: Program<K>;
  readonly elsewhere: Program<K>;
  readonly clients: C[] = [];
  steps = 0;
  readonly #history: Scheduled<C>;
  readonly #weights: Weights;
  readonly #mostJumps: number;
  readonly #retired: K[] = [];
  readonly #tasks: (() => void)[] = [];
  readonly #lateTasks: (() => void)[] = [];
  /** Steps since something happened. */
  #idle = 0;

  constructor(history: Scheduled<C>, { weights, mostJumps, newKernel }: SchedulerOptions<K>) {
    this.#history = history;
    this.#weights = weights;
    this.#mostJumps = mostJumps;
    const historian: Historian<K> = {
      observe: (...event) => history.observe(...event),
      crashed: (error) => this.#crashed(error),
      retire: (kernel) => this.#retired.push(kernel),
      violate: (what) => history.violate(what),
    };
    this.here = new Program(historian, () => newKernel("kernel"));
    this.elsewhere = new Program(historian, () => newKernel("other kernel"));
  }

  /** Whether time passes, now and then, until something is due. */
  get jumps(): boolean {
    return this.#weights.jump > 0;
  }

  /** Calls of the kernels and completions. */
  get events(): number {
    return [...this.#retired, this.here.kernel, this.elsewhere.kernel]
      .reduce((sum, kernel) => sum + (kernel?.events ?? 0), 0);
  }

  /** A program goes on in a later task. */
  pause(): Promise<void> {
    return new Promise((resolve) => this.#tasks.push(resolve));
  }

  /** A program goes on when everybody tidies up. */
  late(): Promise<void> {
    if (this.#history.tidying) return this.pause();
    return new Promise((resolve) => this.#lateTasks.push(resolve));
  }

  /** Everybody tidies up. */
  tidy(): void {
    this.#tasks.push(...this.#lateTasks.splice(0));
  }

  /** One step; a task of a program is followed by its microtasks. */
  async step(): Promise<void> {
    this.steps++;
    this.#history.beginStep();
    if (this.#takeStep()) await drain();
    this.#checkPrograms();
    this.#history.check();
  }

  /** Goes on until nothing more happens. */
  async rest(until: string): Promise<void> {
    await drain();
    this.#idle = 0;
    let calm = 0;
    for (let i = 0; this.#history.violation === undefined; i++) {
      await this.step();
      if (this.#idle < this.clients.length) continue;
      if (this.#isAtRest() && !this.#history.anyoneActs()) {
        this.#history.checkStandstill();
        const { events } = this;
        // A time limit that is not running begins anew each time.
        if (!this.#jump() || ++calm > this.#mostJumps) return;
        await drain();
        if (this.events > events) calm = 0;
      }
      await drain();
      if (i > PATIENCE) this.#history.violate(`I7: no rest while ${until}`);
    }
  }

  /** Something that is no program of this module acts, in the middle of a call of one. */
  intrude(): void {
    const { random } = this.#history;
    const { kernel } = random.chance(0.7) ? this.here : this.elsewhere;
    switch (random.weighted({ client: 3, completion: 2, waitBegins: 1, cancel: 1 })) {
      case "client": {
        const client = random.some(this.clients);
        if (client?.isRaw) client.act();
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

  /** In the end nothing is left. */
  checkEnd(): void {
    for (const kernel of this.#retired) {
      const { open, timers } = kernel.leftovers();
      const late = kernel.abandoned ? 0 : timers;
      if (open + late > 0) {
        this.#history.violate(`I8: left over: ${open} handles, ${late} timers`);
      }
    }
    for (const { kernel } of [this.here, this.elsewhere]) {
      if (kernel === undefined) continue;
      this.#history.violate(`I8: a loop lives on: ${JSON.stringify(kernel.leftovers())}`);
    }
  }

  /** True: something ran in a program. */
  #takeStep(): boolean {
    const { random, rates, tell, counts, pusher } = this.#history;
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
      client: this.clients.length > 0 ? weights.client : 0,
      time: kernel !== undefined ? weights.time : 0,
      jump: next !== undefined ? weights.jump : 0,
      badEnd: kernel !== undefined && rates.endsBadly > 0 ? weights.badEnd : 0,
      wake: rates.wakes > 0 && waits !== "none" ? weights.wake : 0,
      push: pusher !== undefined ? weights.push : 0,
    });
    const isIdle = step === undefined || step === "client" || step === "time" || step === "wake";
    this.#idle = isIdle ? this.#idle + 1 : 0;
    kernel?.acted();
    switch (step) {
      case "turn":
        tell?.("— a turn");
        kernel?.turn();
        return true;
      case "waitReturns":
        tell?.("— the wait returns");
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
        if (step === "timer" && next !== undefined && kernel !== undefined && next < kernel.time) {
          counts.add(Kind.TIMER_LATE);
        }
        this.#fire(kernel);
        return true;
      case "program":
        tell?.("— the program goes on");
        this.#tasks.splice(random.below(this.#tasks.length), 1)[0]?.();
        return true;
      case "client":
        return this.#actClient();
      case "time":
        kernel?.pass(random.fraction() * 3);
        return false;
      case "badEnd":
        if (random.chance(rates.endsBadly)) this.#endBadly(kernel);
        return false;
      case "wake":
        if (random.chance(rates.wakes)) {
          counts.add(Kind.SPURIOUS);
          kernel?.wake();
        }
        return false;
      case "push":
        tell?.("— the program sends");
        pusher?.push();
        return true;
      case undefined:
        return false;
    }
  }

  #pickProgram(): Program<K> {
    if (this.here.kernel === undefined) return this.elsewhere;
    const other = this.elsewhere.kernel !== undefined;
    return other && this.#history.random.chance(0.4) ? this.elsewhere : this.here;
  }

  /** Completions can be seen: one, or many at once. */
  #complete(kernel: K | undefined): void {
    const { random, counts } = this.#history;
    const times = random.chance(0.2) ? 3 : 1;
    for (let i = 0; i < times; i++) {
      const flight = random.some(kernel?.deliverable() ?? []);
      if (flight === undefined) return;
      if (i > 0) counts.add(Kind.BATCHED);
      kernel?.show(flight);
    }
  }

  #endBadly(kernel: K | undefined): void {
    const pending = kernel?.inFlight().filter(({ operation }) =>
      operation.status === Status.PENDING
    );
    const flight = this.#history.random.some(pending ?? []);
    if (flight !== undefined) kernel?.endBadly(flight);
  }

  #actClient(): boolean {
    const { clients } = this;
    const begin = this.#history.random.below(clients.length);
    for (let i = 0; i < clients.length; i++) {
      const client = clients[(begin + i) % clients.length];
      if (client === undefined) continue;
      if (client.done ? this.#history.replace(client) : client.act()) {
        this.#idle = 0;
        return !client.isRaw;
      }
    }
    return false;
  }

  /** Time passes until something is due. */
  #jump(): boolean {
    const programs = [this.here, this.elsewhere];
    const program = programs.find(({ kernel }) => kernel?.nextTimer !== undefined);
    this.#fire(program?.kernel);
    return program !== undefined;
  }

  #fire(kernel: K | undefined): void {
    if (kernel === undefined) return;
    this.#history.tell?.(`— a timer, at ${kernel.nextTimer}`);
    kernel.fireTimer();
  }

  /** Whether no program has anything to do. */
  #isAtRest(): boolean {
    if (this.#tasks.length > 0) return false;
    for (const { kernel } of [this.here, this.elsewhere]) {
      if (kernel === undefined) continue;
      const waits = kernel.waitState;
      if (kernel.leftovers().turns > 0 || waits === "dispatched" || waits === "over") return false;
      if (kernel.deliverable().length > 0 || kernel.late().length > 0) return false;
    }
    return true;
  }

  #checkPrograms(): void {
    for (const program of [this.here, this.elsewhere]) {
      program.kernel?.checkLiveness();
      this.#checkBreach(program.kernel);
      if (program.forgetsTime) {
        this.#history.violate("I10: time limits run, and there is no timer");
      }
    }
    this.#checkBreach(this.#retired.at(-1));
  }

  #checkBreach(kernel: K | undefined): void {
    if (kernel?.breach !== undefined) this.#history.violate(kernel.breach.message);
  }

  /** A loop has contained an exception. */
  #crashed(error: unknown): void {
    if (error instanceof Planted) return;
    this.#history.violate(`thrown: ${error instanceof Error ? error.stack : error}`);
  }
}

/** Lets every microtask run. */
export function drain(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
