/**
 * Whether a connection keeps the program running: while a call waits, and from when its end is asked
 * for until everything is released.
 *
 * @module
 */

import type { WaitLoop } from "../loop/wait_loop.ts";

/** See the module. */
export class Hold {
  readonly #loop: WaitLoop;
  #allowed = true;
  /** How many calls wait. */
  #calls = 0;
  #endAwaited = false;
  #closing = false;

  constructor(loop: WaitLoop) {
    this.#loop = loop;
  }

  /** Whether it may keep the program running at all. */
  allow(allowed: boolean): void {
    this.#allowed = allowed;
    this.#update();
  }

  /** A call waits from now on. */
  callBegan(): void {
    if (++this.#calls === 1) this.#update();
  }

  /** A call does not wait any more. Can be passed on. */
  readonly callSettled = (): void => {
    if (--this.#calls === 0) this.#update();
  };

  /** Whether somebody waits to be told of the end. */
  awaitEnd(awaited: boolean): void {
    this.#endAwaited = awaited;
    this.#update();
  }

  /** Whether the connection is closing, and not everything is released. */
  close(closing: boolean): void {
    this.#closing = closing;
    this.#update();
  }

  #update(): void {
    const holds = this.#allowed && (this.#calls > 0 || this.#endAwaited || this.#closing);
    if (holds) this.#loop.hold(this);
    else this.#loop.release(this);
  }
}
