/**
 * The kernel of `src/testing/` with what only tests of this module want: to hold back completions,
 * waits and turns, to fail single calls, and to look inside. See {@linkcode MemoryKernel}.
 *
 * @module
 */

import type { Handle } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { ManualClock } from "../src/testing/memory/clock.ts";
import type { Decisions, Failing, Submission } from "../src/testing/memory/decisions.ts";
import type { End } from "../src/testing/memory/end.ts";
import type { InFlight } from "../src/testing/memory/flight.ts";
import { ProcessKernel } from "../src/testing/memory/kernel.ts";
import type { WaitState } from "../src/testing/memory/signals.ts";
import { MemorySystem } from "./memory/system.ts";

export type { Decisions, Failing, Submission } from "../src/testing/memory/decisions.ts";
export type { InFlight } from "../src/testing/memory/flight.ts";
export { POISON } from "../src/testing/memory/flights.ts";
export { type Leftovers, NOTHING_LEFT } from "../src/testing/memory/leftovers.ts";
export type { Outcome, RawClient, RawEnd, RawServer } from "./memory/raw.ts";
export type { WaitState } from "../src/testing/memory/signals.ts";
export { USER } from "../src/testing/memory/processes.ts";
export { MemorySystem } from "./memory/system.ts";

/**
 * A {@linkcode ProcessKernel} that a test can drive by hand. Without any setting it behaves like one,
 * with a clock that stands still.
 */
export class MemoryKernel extends ProcessKernel {
  /** Completions of pending operations stay invisible until {@linkcode deliver}. */
  holdCompletions = false;
  /** Dispatched waits see nothing until {@linkcode enterWait}. */
  holdWaits = false;
  /** Whether a wait that is dispatched can let go of the program; else it returns. */
  letsGo = true;
  /** Tells the names of accounts; a test may take its time. */
  accounts: (sid: string) => Promise<string | undefined> = (sid) => super.accountName(sid);

  declare readonly system: MemorySystem;
  readonly #clock: ManualClock;
  readonly #held: InFlight[] = [];
  readonly #failures: { readonly call: Failing; readonly status: number }[] = [];
  readonly #unloads: (() => void)[] = [];
  #keepsAlive = true;

  constructor(system: MemorySystem = new MemorySystem(), decisions: Partial<Decisions> = {}) {
    const clock = new ManualClock();
    super(system, { decisions, clock });
    this.#clock = clock;
  }

  /** The first breach of the contract, even if its error was caught. */
  get breach(): Error | undefined {
    return this.contract.breach;
  }

  override accountName(sid: string): Promise<string | undefined> {
    return this.accounts(sid);
  }

  override keepAlive(on: boolean): void {
    super.keepAlive(on);
    this.#keepsAlive = on;
    if (!this.letsGo && this.waitState !== "none") this.wake();
  }

  override onUnload(callback: () => void): void {
    this.#unloads.push(callback);
  }

  /** Whether waits and timers keep the program running, if there are any. */
  get keepsAlive(): boolean {
    return this.#keepsAlive;
  }

  /** Whether a wait, a timer or a turn keeps the program running. */
  get keepsProgram(): boolean {
    const { waiting, timers, turns } = this.leftovers();
    return this.turns.keepsAlive || this.#keepsAlive && waiting + timers + turns > 0;
  }

  /** Makes the next call of this name fail with a status, without doing anything. */
  failNext(call: Failing, status: number): void {
    this.#failures.push({ call, status });
  }

  /** What is in flight: over but not observed, or pending. */
  inFlight(): InFlight[] {
    return this.flights.all();
  }

  /** Ends what pends with a status, as if the system had done it. False when it is over. */
  end(submission: Submission, status: number): boolean {
    const operation = this.flights.find(submission)?.operation;
    if (operation?.status !== Status.PENDING) return false;
    operation.withdraw();
    operation.finish(status);
    return true;
  }

  /** What pends although a cancel was asked for, which was not in time: to be ended at last. */
  late(): InFlight[] {
    return this.inFlight().filter(({ cancelled, operation }) =>
      cancelled && operation.status === Status.PENDING
    );
  }

  /** The end of a pipe that a handle stands for. */
  endOf(handle: Handle): End | undefined {
    return this.handles.get(handle)?.end;
  }

  /** Completions that nobody can see yet, oldest first. */
  get held(): readonly InFlight[] {
    return this.#held;
  }

  /** Makes one held completion visible, the oldest unless told. False when there is none. */
  deliver(submission: Submission | undefined = this.#held[0]): boolean {
    const at = this.#held.findIndex((flight) => flight === submission);
    const [held] = at < 0 ? [] : this.#held.splice(at, 1);
    const flight = held && this.flights.find(held);
    if (flight === undefined) return false;
    this.flights.show(flight);
    return true;
  }

  /** How far the wait has come. */
  get waitState(): WaitState {
    return this.signals.state;
  }

  /** Whether the dispatched wait is over, or would be as soon as it begins. */
  get waitEnds(): boolean {
    return this.signals.ends;
  }

  /** The dispatched wait begins to wait. False when there is none. */
  enterWait(): boolean {
    return this.signals.enter();
  }

  /** Turns run by {@linkcode runTurn}, and waits come back by {@linkcode returnWait}, only. */
  get manual(): boolean {
    return this.turns.manual;
  }

  set manual(on: boolean) {
    this.turns.manual = on;
  }

  /** Runs the turns that are queued now, not those that they queue. Says how many. */
  runTurn(): number {
    return this.turns.run();
  }

  /** Time passes without anything happening: timers are late. */
  pass(milliseconds: number): void {
    this.#clock.pass(milliseconds);
  }

  /** When the next timer is due, on the clock of {@linkcode now}. */
  get nextTimer(): number | undefined {
    return this.#clock.next;
  }

  /** Moves the clock, and fires each timer that is due in a task of its own. */
  advance(milliseconds: number): Promise<void> {
    return this.#clock.advance(milliseconds);
  }

  /** Moves the clock to the next timer and fires it. False when none is due by `until`. */
  fireTimer(until: number = Infinity): boolean {
    return this.#clock.fire(until);
  }

  /** The program is about to go away: what a reload does. */
  unload(): void {
    this.contract.state = "unloading";
    for (const callback of this.#unloads) callback();
  }

  protected override fails(call: Failing, handle?: Handle): number | undefined {
    const at = this.#failures.findIndex((failure) => failure.call === call);
    if (at >= 0) return this.#failures.splice(at, 1)[0]?.status;
    return super.fails(call, handle);
  }

  protected override shows(flight: InFlight): boolean {
    if (!this.holdCompletions && super.shows(flight)) return true;
    this.#held.push(flight);
    return false;
  }

  protected override entersWait(): boolean {
    return !this.holdWaits && super.entersWait();
  }

  protected override waitIsOver(): void {
    if (!this.manual) super.waitIsOver();
  }
}
