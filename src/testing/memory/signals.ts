/**
 * The three events that all operations share, and the one wait for them.
 *
 * @module
 */

import { Lane } from "../../kernel/kernel.ts";

/** How far a wait has come. */
export type WaitState = "none" | "dispatched" | "entered" | "over";

interface Wait {
  readonly drained: boolean;
  readonly settle: (looked: boolean) => void;
  state: Exclude<WaitState, "none">;
}

/** `wake` (auto-reset), `arrivals` and `drained` (manual reset), and who waits for them. */
export class Signals {
  #wake = false;
  readonly #lanes: [boolean, boolean] = [false, false];
  #wait: Wait | undefined;
  readonly #satisfied: () => void;

  /** `satisfied` is called when the wait has ended but nobody was told yet. */
  constructor(satisfied: () => void) {
    this.#satisfied = satisfied;
  }

  get state(): WaitState {
    return this.#wait?.state ?? "none";
  }

  /** Whether the wait is over, or would be as soon as it is entered. */
  get ends(): boolean {
    const wait = this.#wait;
    if (wait === undefined) return false;
    return wait.state === "over" || this.#wake || this.#lanes[Lane.IN] ||
      wait.drained && this.#lanes[Lane.OUT];
  }

  /** Completions signal the event of their lane. */
  signal(lane: Lane): void {
    this.#lanes[lane] = true;
    this.#look();
  }

  /** Each submission resets the event, a failing one too. */
  reset(lane: Lane): void {
    this.#lanes[lane] = false;
  }

  wake(): void {
    this.#wake = true;
    this.#look();
  }

  /** First step: the wait is on its way to another thread, and sees nothing yet. */
  dispatch(drained: boolean, settle: (looked: boolean) => void): void {
    this.#wait = { drained, settle, state: "dispatched" };
  }

  /** Second step: from now on a signal ends it, and one that is set already does. */
  enter(): boolean {
    if (this.#wait?.state !== "dispatched") return false;
    this.#wait.state = "entered";
    this.#look();
    return true;
  }

  /** Last step: the caller hears of it. */
  return(looked: boolean): boolean {
    const wait = this.#wait;
    if (wait?.state !== "over") return false;
    this.#wait = undefined;
    wait.settle(looked);
    return true;
  }

  /** Ends the wait without any signal: it has failed. */
  fail(): void {
    if (this.#wait === undefined) return;
    this.#wait.state = "over";
    this.#satisfied();
  }

  #look(): void {
    const wait = this.#wait;
    if (wait?.state !== "entered") return;
    // The lowest index wins, and only it is reset by the wait.
    if (this.#wake) this.#wake = false;
    else if (!this.#lanes[Lane.IN] && !(wait.drained && this.#lanes[Lane.OUT])) return;
    // A later reset does not bring back a wait that is over.
    wait.state = "over";
    this.#satisfied();
  }
}
