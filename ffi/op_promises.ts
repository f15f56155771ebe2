/**
 * Lets go of a nonblocking call, so that it does not keep the program running.
 *
 * A call on another thread keeps the program running until it returns, and nothing that Deno
 * documents changes that. What its own servers use for their `unref()` is reached by the symbol
 * `Deno.internal`, and may be missing in another version.
 *
 * @module
 */

/** Says whether the call of a promise keeps the program running. */
export interface OpPromises {
  /** It does, as every call does at first. */
  readonly ref: (call: Promise<unknown>) => void;
  /** It does not. */
  readonly unref: (call: Promise<unknown>) => void;
}

/** Finds Deno's functions for it; undefined where they are missing. Never throws. */
export function opPromises(): OpPromises | undefined {
  try {
    const symbol: unknown = Reflect.get(Deno, "internal");
    if (typeof symbol !== "symbol") return undefined;
    const core: unknown = Reflect.get(Deno, symbol)?.core;
    if (typeof core !== "object" || core === null) return undefined;
    const ref: unknown = Reflect.get(core, "refOpPromise");
    const unref: unknown = Reflect.get(core, "unrefOpPromise");
    return isForCalls(ref) && isForCalls(unref) ? { ref, unref } : undefined;
  } catch {
    return undefined;
  }
}

function isForCalls(value: unknown): value is (call: Promise<unknown>) => void {
  return typeof value === "function";
}
