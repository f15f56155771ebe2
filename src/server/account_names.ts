/**
 * Looks up the names of accounts: one at a time, because each lookup occupies a thread of Deno's
 * pool for as long as the network takes, and once per SID.
 *
 * @module
 */

import { Deadline, type Deadlines } from "../loop/deadlines.ts";
import type { Kernel } from "../kernel/kernel.ts";

/** Milliseconds that a lookup may take. */
export const ACCOUNT_TIMEOUT = 5_000;

/** Looks up the names of accounts, and caches them. */
export class AccountNames {
  readonly #kernel: Kernel;
  readonly #deadlines: Deadlines;
  readonly #path: string;
  readonly #names = new Map<string, Promise<string>>();
  /** Rejects each pending lookup. */
  readonly #pending = new Set<(error: Error) => void>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @param path The pipe, for errors. */
  constructor(kernel: Kernel, deadlines: Deadlines, path: string) {
    this.#kernel = kernel;
    this.#deadlines = deadlines;
    this.#path = path;
  }

  /** The name of an account. Failures are not cached. */
  of(sid: string): Promise<string> {
    const known = this.#names.get(sid);
    if (known !== undefined) return known;
    const name = this.#lookUp(sid);
    this.#names.set(sid, name);
    name.catch(() => this.#names.delete(sid));
    return name;
  }

  /** Rejects all pending lookups. */
  close(): void {
    this.#closed = true;
    for (const fail of this.#pending) fail(this.#interrupted());
  }

  #lookUp(sid: string): Promise<string> {
    if (this.#closed) return Promise.reject(this.#interrupted());
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const deadline = new Deadline(() => fail(this.#timedOut(sid)));
    const settle = () => {
      this.#deadlines.lift(deadline);
      return this.#pending.delete(fail);
    };
    const fail = (error: Error) => {
      if (settle()) reject(error);
    };
    this.#pending.add(fail);
    this.#deadlines.set(deadline, ACCOUNT_TIMEOUT);
    this.#last = this.#last.then(async () => {
      // It has timed out meanwhile, or the server has ended.
      if (!this.#pending.has(fail)) return;
      const name = await this.#kernel.accountName(sid);
      if (name === undefined) fail(this.#notFound(sid));
      else if (settle()) resolve(name);
    });
    return promise;
  }

  #interrupted(): Error {
    return new Deno.errors.Interrupted(
      `Cannot look up the account of a client of "${this.#path}": the server has ended`,
    );
  }

  #timedOut(sid: string): Error {
    return new Deno.errors.TimedOut(
      `Cannot look up the account of a client of "${this.#path}": Windows did not find the name ` +
        `of ${sid} within ${ACCOUNT_TIMEOUT} ms`,
    );
  }

  #notFound(sid: string): Error {
    return new Deno.errors.NotFound(
      `Cannot look up the account of a client of "${this.#path}": Windows has no name for ${sid}`,
    );
  }
}
