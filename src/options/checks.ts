/**
 * Checks of options: each takes a value of any type and returns the one in force, which may be the
 * default, or throws an error that says what is wrong.
 *
 * @module
 */

import type { Direction } from "../kernel/kernel.ts";

const MIB = 1024 * 1024;

/** The longest time that timers take, in milliseconds: nearly 25 days. */
const MAX_TIMEOUT = 0x7fff_ffff;

/** The longest message that can be sent: WriteFile takes a 32-bit length. */
export const LONGEST_MESSAGE = 0x7fff_ffff;

/** Checks the value of an option, whose name the error tells. */
export type Check<T> = (value: unknown, name: string) => T;

/** The check of each option. */
export type Checks = Readonly<Record<string, Check<unknown>>>;

/** Options before they are checked. */
export type Unchecked<C extends Checks> = { readonly [K in keyof C]?: unknown };

/**
 * Options once they are checked: all of them, with the defaults filled in. The type of a function,
 * which no check can tell, is that of the options.
 */
export type Checked<C extends Checks, Options = unknown> = {
  readonly [K in keyof C]: ReturnType<C[K]> & (K extends keyof Options ? Options[K] : unknown);
};

/**
 * Reads the options that have a check, each once and in the order of the checks, and checks them.
 *
 * @throws {TypeError} If the options are no object, or one has a wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function checkOptions<C extends Checks, Options extends Unchecked<C>>(
  options: Options,
  checks: C,
): Checked<C, Options> {
  if (typeof options !== "object" || options === null) refuse("options", "an object", options);
  const entries = Object.entries(checks).map(([name, check]) => [name, check(options[name], name)]);
  return Object.fromEntries(entries);
}

/** An integer within a range. `others` are values that the caller takes besides, for the error. */
export function integer(min: number, max: number, fallback: number, others = ""): Check<number> {
  return (value = fallback, name) => {
    if (typeof value !== "number") refuse(name, "a number", value);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new RangeError(
      `Cannot use "${name}": must be an integer ${range}${others}, was ${value}`,
    );
  };
}

/** An integer from 1, or Infinity for no limit. */
export function limit(fallback: number = Infinity): Check<number> {
  const finite = integer(1, Number.MAX_SAFE_INTEGER, fallback, ", or Infinity");
  return (value = fallback, name) => value === Infinity ? Infinity : finite(value, name);
}

/** A time that a timer can take; Infinity is the longest. */
export function milliseconds(fallback: number): Check<number> {
  const finite = integer(0, Number.MAX_SAFE_INTEGER, fallback, ", or Infinity");
  return (value, name) =>
    Math.min(value === Infinity ? Infinity : finite(value, name), MAX_TIMEOUT);
}

/** How long a message may be that is received, in bytes. */
export const messageLength: Check<number> = integer(0, LONGEST_MESSAGE, 16 * MIB);

/** Whether something is so; by default it is not. */
export function boolean(value: unknown = false, name: string): boolean {
  return typeof value === "boolean" ? value : refuse(name, "a boolean", value);
}

/** One of some words; the first is the default unless another is given. */
export function oneOf<const W extends string>(
  words: readonly [W, W, ...W[]],
  fallback: W = words[0],
): Check<W> {
  const quoted = words.map((word) => `"${word}"`);
  const wanted = `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
  return (value = fallback, name) =>
    words.find((word) => word === value) ?? refuse(name, wanted, value);
}

/** What an end of a pipe can do. */
export const direction: Check<Direction> = oneOf(["both", "read", "write"]);

/** An abort signal, or none. */
export function abortSignal(value: unknown, name = "signal"): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  refuse(name, "an AbortSignal", value);
}

/** A function. */
export function requiredFunction<T>(value: T, name: string): T {
  return typeof value === "function" ? value : refuse(name, "a function", value);
}

/** A function, or none. */
export function optionalFunction<T>(value: T, name: string): T {
  return value === undefined ? value : requiredFunction(value, name);
}

/** Throws the error of a value of a wrong type. */
export function refuse(name: string, wanted: string, value: unknown): never {
  throw new TypeError(`Cannot use "${name}": must be ${wanted}, was ${show(value)}`);
}

/** A value as text, for an error. Never throws. */
export function show(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  if (value === null || typeof value !== "object") return String(value);
  try {
    return Array.isArray(value) ? "an array" : "an object";
  } catch {
    // A revoked proxy.
    return "an object";
  }
}
