/**
 * The work that user code runs for, which is kept across its awaits.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

const WORK = new AsyncLocalStorage<object | undefined>();

/** Runs code as it would run at import: for no work, and outside of all that a program tracks. */
const OUTSIDE = AsyncLocalStorage.snapshot();

/** Runs user code, and all that it starts, for some work. Costs about as much as a few awaits. */
export function runFor<Work extends object, T>(work: Work, call: (work: Work) => T): T {
  return WORK.run(work, call, work);
}

/** The work that the running code was started for, if any. */
export function currentWork(): object | undefined {
  return WORK.getStore();
}

/** Runs code for no work: the turn that a responder has queued serves all clients. */
export function runWithoutWork(call: () => void): void {
  if (WORK.getStore() === undefined) call();
  else OUTSIDE(call);
}
