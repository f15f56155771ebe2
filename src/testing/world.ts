/**
 * A system in memory, its programs and its time.
 *
 * @module
 */

import { nextTask } from "../kernel/scheduling.ts";
import { type Clock, ManualClock } from "./memory/clock.ts";
import { RealClock } from "./memory/real_clock.ts";
import { System } from "./memory/system.ts";
import type { MemorySettings, ProcessSettings } from "./options.ts";
import { Program } from "./program.ts";
import type { RawEnd } from "./raw.ts";

/** Tasks in a row in which nothing happened: then what a program awaits has had its turn, too. */
const QUIET = 4;

/** More tasks than pipes need to come to rest, unless programs keep each other busy for ever. */
const PATIENCE = 100_000;

/** See the module. */
export class World {
  readonly system: System = new System();
  readonly fault: MemorySettings["fault"];
  readonly clock: Clock;
  readonly #manual: ManualClock | undefined;
  readonly #patience: number;
  readonly #programs: Program[] = [];
  readonly #rawEnds: RawEnd[] = [];
  #advancing: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param patience Tasks after which pipes that have not come to rest never will. */
  constructor({ manual, fault }: MemorySettings, patience: number = PATIENCE) {
    this.#patience = patience;
    this.#manual = manual ? new ManualClock() : undefined;
    this.clock = this.#manual ?? new RealClock();
    this.fault = fault;
    this.system.checksAccess = true;
  }

  /** One more program. */
  start(process: ProcessSettings): Program {
    const program = new Program(this, process);
    this.#programs.push(program);
    return program;
  }

  /** Closes an end when everything is closed. */
  keep<E extends RawEnd>(end: E): E {
    this.#rawEnds.push(end);
    return end;
  }

  /**
   * For a call that needs the system.
   *
   * @throws {Deno.errors.Interrupted} If it is closed.
   */
  checkOpen(path: string): void {
    if (!this.#closed) return;
    throw new Deno.errors.Interrupted(`Cannot use "${path}": the pipes in memory are closed`);
  }

  /**
   * Lets time pass, and all happen that this causes.
   *
   * @throws {TypeError} If time passes by itself.
   */
  advance(milliseconds: number): Promise<void> {
    const clock = this.#manual;
    if (clock === undefined) {
      throw new TypeError('Cannot advance time: it passes by itself without `time: "manual"`');
    }
    const settle = () => this.#settle();
    this.#advancing = this.#advancing.catch(() => {}).then(async () => {
      await settle();
      await clock.advance(milliseconds, settle);
      await settle();
    });
    return this.#advancing;
  }

  /**
   * Ends everything.
   *
   * @throws {Error} If something was left open.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    // What was closed just now takes its time.
    await this.#settle().catch(() => {});
    this.#closed = true;
    const left = this.#programs.flatMap((program) => program.left());
    for (const end of this.#rawEnds) end.close();
    for (const program of this.#programs) program.end();
    if (left.length > 0) throw new Error(`Cannot close the pipes in memory: ${left.join("; ")}`);
  }

  /** Until nothing happens any more unless time passes. */
  async #settle(): Promise<void> {
    let quiet = 0;
    for (let tasks = 0; quiet < QUIET; tasks++) {
      if (tasks === this.#patience) {
        throw new Error("Cannot advance time: the pipes are always busy");
      }
      await new Promise<void>((resolve) => nextTask(resolve));
      quiet = this.#programs.every(({ rests }) => rests) ? quiet + 1 : 0;
    }
  }
}
