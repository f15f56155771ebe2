/**
 * What a command of the command line is: its options, its arguments, and what it works with.
 *
 * @module
 */

import { parseArgs } from "node:util";
import type { listPipes } from "../client/list_pipes.ts";
import type { connect } from "../client/connect.ts";
import type { serve } from "../exchange/serve.ts";
import { contentLength } from "../pipe/framing/content_length.ts";
import { lengthPrefixed } from "../pipe/framing/length_prefixed.ts";
import { lines } from "../pipe/framing/lines.ts";
import type { Kernel, SystemInfo } from "../kernel/kernel.ts";
import type { Framing } from "../options/framing.ts";

/** The functions of the module that commands call. */
export interface Pipes {
  readonly serve: typeof serve;
  readonly connect: typeof connect;
  readonly listPipes: typeof listPipes;
}

/** What the doctor examines. */
export interface Machine {
  /** The version of Deno. */
  readonly deno: string;
  /** See {@linkcode openKernel}. */
  open(security: boolean): Kernel;
  /** See {@linkcode systemInfo}. */
  system(): SystemInfo;
}

/** What a command works with. */
export interface Environment {
  readonly pipes: Pipes;
  readonly machine: Machine;
  /** Standard input. */
  readonly input: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Aborts when the program is to end, by Ctrl-C. */
  readonly stopped: AbortSignal;
  /** Writes to standard output, as it is. */
  print(text: string | Uint8Array): void;
  /** Writes a line to standard error. */
  complain(text: string): void;
  /** Writes to standard error, as it is; undefined if that is no terminal. */
  readonly draw: ((text: string) => void) | undefined;
  /** Asks for the permission to run a program. Rejects with `Deno.errors.NotCapable` without it. */
  permit(program: string): Promise<void>;
  /** Runs another program with this input. */
  run(command: readonly string[], input: Uint8Array): Promise<Ran>;
}

/** What another program has done. */
export interface Ran {
  readonly code: number;
  readonly output: Uint8Array<ArrayBuffer>;
}

/** An option of a command. */
export interface Option {
  readonly type: "string" | "boolean";
  /** The name of its value, in the help. */
  readonly value?: string;
  readonly help: string;
}

/** A command. */
export interface Command {
  /** What it does, in a line. */
  readonly summary: string;
  /** The names of its arguments, as the help shows them. */
  readonly usage: string;
  /** How many there are, at least and at most. */
  readonly count: readonly [least: number, most: number];
  readonly options: Readonly<Record<string, Option>>;
  /**
   * Runs it.
   *
   * @returns The exit code.
   */
  run(args: Args, environment: Environment): Promise<number> | number;
}

/** The command line is wrong: the exit code is 2. */
export class UsageError extends Error {}

const COMMON: Readonly<Record<string, Option>> = {
  json: { type: "boolean", help: "print JSON, for programs" },
  help: { type: "boolean", help: "print this help" },
};

const FRAMINGS: ReadonlyMap<string, () => Framing> = new Map([
  ["lines", () => lines()],
  ["length", () => lengthPrefixed()],
  ["content-length", () => contentLength()],
]);

/** The option of commands that can cut messages out of a stream. */
export const FRAMING: Option = {
  type: "string",
  value: [...FRAMINGS.keys()].join("|"),
  help: "how a stream is cut into messages",
};

/** The options and arguments of one call of a command. */
export class Args {
  /** The arguments. */
  readonly positionals: readonly string[];
  /** What follows `--`. */
  readonly rest: readonly string[];
  readonly #values: Readonly<Record<string, string | boolean | undefined>>;

  /** @throws {UsageError} If there is an unknown option, or too few or too many arguments. */
  constructor({ options, count: [least, most], usage }: Command, args: readonly string[]) {
    const end = args.indexOf("--");
    this.rest = end === -1 ? [] : args.slice(end + 1);
    const parsed = parse(end === -1 ? args : args.slice(0, end), { ...options, ...COMMON });
    this.#values = parsed.values;
    this.positionals = parsed.positionals;
    const { length } = this.positionals;
    if (this.flag("help") || length >= least && length <= most) return;
    throw new UsageError(
      length < least
        ? `Missing arguments: ${usage}`
        : `Too many arguments: ${this.positionals.slice(most).join(" ")}`,
    );
  }

  /** An argument. */
  at(index: number): string {
    return this.positionals[index] ?? "";
  }

  /** Whether an option is set. */
  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The value of an option. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /**
   * The value of an option that is an integer.
   *
   * @throws {UsageError} If it is none, or out of its range.
   */
  integer<D extends number | undefined>(
    name: string,
    least: number,
    most: number,
    fallback: D,
  ): number | D {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= least && value <= most) {
      return value;
    }
    throw new UsageError(`--${name} must be an integer from ${least} to ${most}, was "${text}"`);
  }

  /**
   * The value of an option that is one of some words.
   *
   * @throws {UsageError} If it is none of them.
   */
  word<const W extends string>(name: string, words: readonly W[]): W | undefined {
    const text = this.text(name);
    const word = words.find((word) => word === text);
    if (text === undefined || word !== undefined) return word;
    throw new UsageError(`--${name} must be one of ${words.join(", ")}, was "${text}"`);
  }

  /**
   * The framing that is asked for.
   *
   * @throws {UsageError} If there is none of that name.
   */
  framing(): Framing | undefined {
    const word = this.word("framing", [...FRAMINGS.keys()]);
    return word === undefined ? undefined : FRAMINGS.get(word)?.();
  }
}

/** The help of one command. */
export function helpOf(name: string, { summary, usage, options }: Command): string {
  const shown = Object.entries({ ...options, ...COMMON }).map(([name, { value, help }]) =>
    [`--${name}${value === undefined ? "" : ` ${value}`}`, help] as const
  );
  const lines = shown.map(([option, help]) => `  ${option}\n      ${help}`);
  return `Usage: ${name} ${usage}`.trimEnd() + `\n\n${summary}.\n\n${lines.join("\n")}\n`;
}

function parse(
  args: readonly string[],
  options: Readonly<Record<string, Option>>,
): {
  values: Readonly<Record<string, string | boolean | undefined>>;
  positionals: readonly string[];
} {
  const types = Object.fromEntries(
    Object.entries(options).map(([name, { type }]) => [name, { type }]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: types,
      allowPositionals: true,
    });
    const single = Object.entries(values).map(([name, value]) =>
      [name, Array.isArray(value) ? value.at(-1) : value] as const
    );
    return { values: Object.fromEntries(single), positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
