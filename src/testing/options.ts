/**
 * The options of memoryPipes(), checked and complete.
 *
 * @module
 */

import type { Identity } from "../kernel/kernel.ts";
import type { IntegrityLevel } from "../options/access.ts";
import {
  boolean,
  type Check,
  checkOptions,
  integer,
  oneOf,
  optionalFunction,
  refuse,
} from "../options/checks.ts";
import { USER } from "./memory/processes.ts";

/**
 * A process of the system in memory, and the user that runs it. All is read once, at the call.
 *
 * @example An elevated process of another user
 * ```ts
 * import { memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * await using pipes = memoryPipes();
 * const administrator = pipes.as({
 *   sid: "S-1-5-21-1-2-3-500",
 *   accountName: "OFFICE\\Administrator",
 *   integrity: "high",
 *   elevated: true,
 * });
 * ```
 */
export interface MemoryProcess {
  /**
   * The SID of the user. Without it, the user is that of the pipes that are asked, and what else is
   * said here of the user has theirs as its default.
   *
   * @default {"S-1-5-21-1-2-3-1001"}
   */
  sid?: string | undefined;
  /**
   * The name of the user's account, which `client.accountName()` tells.
   *
   * @default {"TEST\\1001"} with the last number of the SID
   */
  accountName?: string | undefined;
  /**
   * The integrity level of the process.
   *
   * @default {"medium"}
   */
  integrity?: IntegrityLevel | undefined;
  /**
   * Whether the process has administrator rights.
   *
   * @default {false}
   */
  elevated?: boolean | undefined;
  /** The id of the process, from 1, which no other has. A multiple of 4 unless told. */
  processId?: number | undefined;
  /**
   * The session that the process is in, from 0.
   *
   * @default {1}
   */
  sessionId?: number | undefined;
  /**
   * The path of the program that it runs.
   *
   * @default {"C:\\programs\\4.exe"} with the id of the process
   */
  executable?: string | undefined;
}

/**
 * A call to Windows that {@linkcode MemoryPipesOptions.fault} may let fail.
 *
 * @example Nobody may create this name
 * ```ts
 * import { type MemoryCall, memoryPipes } from "@overlapped/named-pipe/testing";
 *
 * function deny({ call, path }: MemoryCall): number | undefined {
 *   return call === "CreateNamedPipeW" && path.endsWith("forbidden") ? 5 : undefined;
 * }
 * const pipes = memoryPipes({ fault: deny });
 * ```
 */
export interface MemoryCall {
  /** The Windows function, as a `WindowsError` names it. */
  readonly call:
    | "CreateNamedPipeW"
    | "CreateFileW"
    | "ConnectNamedPipe"
    | "ReadFile"
    | "WriteFile"
    | "ImpersonateNamedPipeClient";
  /** The full name of the pipe, `\\.\pipe\…`. */
  readonly path: string;
  /** The process that calls. */
  readonly processId: number;
}

/**
 * Options of {@linkcode memoryPipes}. All are read once, at the call.
 *
 * @example A program that runs as a service
 * ```ts
 * import { memoryPipes, type MemoryPipesOptions } from "@overlapped/named-pipe/testing";
 *
 * const SERVICE: MemoryPipesOptions = {
 *   time: "manual",
 *   as: { sid: "S-1-5-18", integrity: "system", elevated: true, sessionId: 0 },
 * };
 * await using pipes = memoryPipes(SERVICE);
 * ```
 */
export interface MemoryPipesOptions {
  /**
   * What drives timers and limits: the clock of this machine, or {@linkcode MemoryPipes.advance}.
   * Neither drives data: what is written arrives by itself.
   *
   * @default {"real"}
   */
  time?: "real" | "manual" | undefined;
  /** The process whose pipes these are. */
  as?: MemoryProcess | undefined;
  /**
   * Called before each call to Windows of a server, a listener, a connection or a client. With the
   * code of a Windows system error as its result, the call fails with it, and does nothing; with
   * nothing, it goes on. Raw ends do not ask.
   *
   * For example 5 (access is denied), 8 (there is not enough memory) or 1450 (there are not enough
   * system resources). A shortage is waited out with growing pauses where Windows allows it.
   *
   * A code is an integer from 1 to 65,535. Refused are 234, 535 and 997, which are no failures, and
   * 109, 232 and 233: that the other end has left is seen by more than one call, so let a raw end
   * leave instead. What is refused, and what this function throws, is thrown by the call; if the
   * module makes that call by itself, as it does to read, it is an uncaught error, which ends the test.
   *
   * @see {@link https://learn.microsoft.com/windows/win32/debug/system-error-codes}
   *
   * @example The first client finds no memory
   * ```ts
   * import { memoryPipes } from "@overlapped/named-pipe/testing";
   *
   * let calls = 0;
   * const pipes = memoryPipes({
   *   fault: ({ call }) => call === "CreateFileW" && calls++ === 0 ? 8 : undefined,
   * });
   * ```
   */
  fault?: ((call: MemoryCall) => number | undefined | void) | undefined;
}

/** A process, complete. */
export interface ProcessSettings {
  readonly identity: Identity;
  readonly account: string | undefined;
  readonly id: number | undefined;
  readonly session: number | undefined;
  readonly executable: string | undefined;
}

/** The options, complete. */
export interface MemorySettings {
  readonly manual: boolean;
  readonly process: ProcessSettings;
  readonly fault: MemoryPipesOptions["fault"];
}

/** See {@linkcode IntegrityLevel}. */
const INTEGRITY = { medium: 0x2000, untrusted: 0, low: 0x1000, high: 0x3000, system: 0x4000 };

const CHECKS = {
  time: oneOf(["real", "manual"]),
  as: optionalObject,
  fault: optionalFunction,
};

const PROCESS_CHECKS = {
  sid: optional(securityIdentifier),
  accountName: optional(text),
  integrity: optional(oneOf(["medium", "untrusted", "low", "high", "system"])),
  elevated: optional(boolean),
  processId: optional(integer(1, 0xffff_ffff, 4)),
  sessionId: optional(integer(0, 0xffff_ffff, 1)),
  executable: optional(text),
};

/** Reads the options, each once, and checks them. */
export function memorySettings(options: MemoryPipesOptions): MemorySettings {
  const { time, as = {}, fault } = checkOptions(options, CHECKS);
  return { manual: time === "manual", process: processSettings(as, USER), fault };
}

/**
 * Reads what is said of a process, each once, and checks it.
 *
 * @param user Who runs it, unless it has another SID.
 */
export function processSettings(process: MemoryProcess, user: Identity): ProcessSettings {
  const checked = checkOptions(process, PROCESS_CHECKS);
  const { sid, accountName, integrity, elevated, processId, sessionId, executable } = checked;
  const base = sid === undefined ? user : USER;
  return {
    identity: {
      sid: sid ?? base.sid,
      integrity: integrity === undefined ? base.integrity : INTEGRITY[integrity],
      elevated: elevated ?? base.elevated,
    },
    account: accountName,
    id: processId,
    session: sessionId,
    executable,
  };
}

function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, name) => value === undefined ? undefined : check(value, name);
}

function optionalObject(value: unknown, name: string): object | undefined {
  if (value === undefined || typeof value === "object" && value !== null) return value;
  refuse(name, "an object", value);
}

function text(value: unknown, name: string): string {
  return typeof value === "string" && value !== "" ? value : refuse(name, "a string", value);
}

function securityIdentifier(value: unknown, name: string): string {
  const isSid = typeof value === "string" && /^S-1-\d{1,10}(?:-\d{1,10}){1,15}$/.test(value);
  return isSid ? value : refuse(name, 'a SID, "S-1-…"', value);
}
