/**
 * The settings of a server: its options, checked and complete.
 *
 * @module
 */

import type { PipeAccess } from "./access.ts";
import {
  abortSignal,
  boolean,
  type Check,
  type Checked,
  checkOptions,
  direction,
  integer,
  limit,
  messageLength,
  milliseconds,
  oneOf,
  optionalFunction,
  refuse,
  type Unchecked,
} from "./checks.ts";
import { framing } from "./framing.ts";
import { serverPath } from "./path.ts";
import type { PipeType } from "../kernel/kernel.ts";

const MAX_DWORD = 0xffff_ffff;
const MIB = 1024 * 1024;

/** Every option of a server; the interface of a server's options says what they mean. */
const CHECKS = {
  path: serverPath,
  instances: integer(1, 65_000, 4),
  maxInstances: limit(),
  readBufferSize: integer(0, MAX_DWORD, 65_536),
  writeBufferSize: integer(0, MAX_DWORD, 65_536),
  waitTimeout: integer(1, MAX_DWORD - 1, 5_000),
  maxMessage: messageLength,
  maxBuffered: limit(256 * MIB),
  maxQueued: limit(16 * MIB),
  maxPerProcess: limit(),
  idleTimeout: limit(),
  writeTimeout: limit(30_000),
  responderTimeout: limit(),
  framing,
  access: pipeAccess,
  remote: boolean,
  type: pipeType,
  direction,
  join: boolean,
  signal: abortSignal,
  authorize: optionalFunction,
  onListen: optionalFunction,
  onConnect: optionalFunction,
  onDisconnect: optionalFunction,
};

/** See the module. */
export type ServerSettings<Options = unknown> = Omit<Checked<typeof CHECKS, Options>, "type"> & {
  readonly type: PipeType;
  /** Whether the server asks Windows about users, its own and its clients'. */
  readonly identifies: boolean;
};

/** Reads a server's options, each once, checks them and fills in the defaults. */
export function serverSettings<Options extends Unchecked<typeof CHECKS>>(
  options: Options,
): ServerSettings<Options> {
  const { type: asked, ...settings } = checkOptions(options, CHECKS);
  const { instances, maxInstances, access, remote, authorize } = settings;
  if (maxInstances < instances) {
    throw new RangeError(
      `Cannot use "maxInstances": must be at least "instances", which is ${instances}, was ` +
        `${maxInstances}`,
    );
  }
  if (remote && access === "local-users") {
    throw new TypeError(
      'Cannot use "remote": access "local-users" refuses clients of other machines',
    );
  }
  const type: PipeType = asked ?? (settings.framing === undefined ? "message" : "byte");
  const identifies = access !== "system-default" || authorize !== undefined;
  return Object.freeze({ ...settings, type, identifies });
}

/** The settings of a server that answers requests, for which a client must be able to read and write. */
export function exchangeSettings<Options extends Unchecked<typeof CHECKS>>(
  options: Options,
): ServerSettings<Options> {
  const settings = serverSettings(options);
  const { path, type, direction, framing } = settings;
  if (direction !== "both") {
    throw new TypeError(
      `Cannot use "direction": must be "both" where requests are answered, was "${direction}"`,
    );
  }
  if (type === "byte" && framing === undefined) {
    throw new TypeError(
      `Cannot serve "${path}": it is a byte pipe: give \`framing\`, or use listen()`,
    );
  }
  return settings;
}

/** How many responders may work at once. */
export const concurrencyLimit: Check<number> = limit();

/** How long a shutdown waits. */
export const shutdownTimeout: Check<number> = milliseconds(10_000);

/** The type that was asked for: the default depends on other options. */
function pipeType(value: unknown, name: string): PipeType | undefined {
  return value === undefined ? undefined : oneOf(["message", "byte"])(value, name);
}

function pipeAccess(access: unknown = "current-user", name: string): PipeAccess {
  if (access === "current-user" || access === "local-users" || access === "system-default") {
    return access;
  }
  if (typeof access === "object" && access !== null && "sddl" in access) {
    const { sddl } = access;
    if (typeof sddl === "string" && sddl !== "" && !sddl.includes("\0")) {
      return Object.freeze({ sddl });
    }
    refuse(`${name}.sddl`, "a security descriptor", sddl);
  }
  refuse(name, '"current-user", "local-users", "system-default" or { sddl }', access);
}
