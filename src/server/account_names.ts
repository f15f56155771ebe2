/**
 * The names of accounts: asked one after the other, since each question holds a thread of Deno's
 * pool for as long as a network may take, and once per SID.
 *
 * @module
 */

import { Deadline, type Deadlines } from "../loop/deadlines.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Milliseconds that a name may take. */
export const ACCOUNT_TIMEOUT = 5_000;

/** Asks for the names of accounts, and remembers them. */
export class AccountNames {
  readonly #kernel: Kernel;
  readonly #deadlines: Deadlines;
  readonly #path: string;
  readonly #names = new Map<string, Promise<string>>();
  /** What waits for an answer: how to end it. */
  readonly #pending = new Set<(error: Error) => void>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @param path The pipe, for errors. */
  constructor(kernel: Kernel, deadlines: Deadlines, path: string) {
    this.#kernel = kernel;
    this.#deadlines = deadlines;
    this.#path = path;
  }

  /** The name of an account. May be dropped. A failure is not remembered. */
  of(sid: string): Promise<string> {
    const known = this.#names.get(sid);
    if (known !== undefined) return known;
    const name = this.#ask(sid);
    this.#names.set(sid, name);
    name.catch(() => this.#names.delete(sid));
    return name;
  }

  /** Ends what waits for an answer. */
  close(): void {
    this.#closed = true;
    for (const giveUp of this.#pending) giveUp(this.#interrupted());
  }

  #ask(sid: string): Promise<string> {
    if (this.#closed) return Promise.reject(this.#interrupted());
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const deadline = new Deadline(() => giveUp(this.#late(sid)));
    const settle = () => {
      this.#deadlines.lift(deadline);
      return this.#pending.delete(giveUp);
    };
    const giveUp = (error: Error) => {
      if (settle()) reject(error);
    };
    this.#pending.add(giveUp);
    this.#deadlines.set(deadline, ACCOUNT_TIMEOUT);
    this.#last = this.#last.then(async () => {
      // Nobody waits for it any more.
      if (!this.#pending.has(giveUp)) return;
      const name = await this.#kernel.accountName(sid);
      if (name === undefined) giveUp(this.#unknown(sid));
      else if (settle()) resolve(name);
    });
    return promise;
  }

  #interrupted(): Error {
    return new Deno.errors.Interrupted(
      `Cannot tell the account of a client of "${this.#path}": the server has ended`,
    );
  }

  #late(sid: string): Error {
    return new Deno.errors.TimedOut(
      `Cannot tell the account of a client of "${this.#path}": the system did not tell the name ` +
        `of ${sid} within ${ACCOUNT_TIMEOUT} ms`,
    );
  }

  #unknown(sid: string): Error {
    return new Deno.errors.NotFound(
      `Cannot tell the account of a client of "${this.#path}": the system knows no name of ${sid}`,
    );
  }
}
