/**
 * For what user code runs, across its awaits.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

const WORK = new AsyncLocalStorage<object | undefined>();

/** Runs user code, and whatever it starts, for some work. Costs about as much as a few awaits. */
export function runFor<T>(work: object, call: () => T): T {
  return WORK.run(work, call);
}

/** The work that the running code was started for, if it was. */
export function currentWork(): object | undefined {
  return WORK.getStore();
}

/** Runs code for nobody: what a responder has queued may be everybody's. */
export function runForNobody(call: () => void): void {
  if (WORK.getStore() === undefined) call();
  else WORK.run(undefined, call);
}
