/**
 * The settings of a client: its options, checked and complete.
 *
 * @module
 */

import {
  abortSignal,
  type Checked,
  checkOptions,
  direction,
  limit,
  messageLength,
  milliseconds,
  oneOf,
  refuse,
  type Unchecked,
} from "./checks.ts";
import { framing } from "./framing.ts";
import { clientPath } from "./path.ts";

/** The syntax of a SID; whether it exists is not checked. */
const SID = /^S-1-(?:0x[0-9a-f]{12}|\d{1,10})(?:-\d{1,10}){1,15}$/i;

/** Every option of a call; the interface of a call's options says what they mean. */
const CALL_CHECKS = {
  connectTimeout: milliseconds(5_000),
  missing: oneOf(["wait", "fail"]),
  maxMessage: messageLength,
  owner: pipeOwner,
  framing,
  impersonation: oneOf(
    ["anonymous", "identification", "impersonation", "delegation"],
    "identification",
  ),
  signal: abortSignal,
};

/** Every further option of a connection. */
const CONNECTION_CHECKS = {
  direction,
  halfClose: oneOf(["none", "empty-message"]),
  writeTimeout: limit(),
};

const CHECKS = { path: clientPath, ...CALL_CHECKS, ...CONNECTION_CHECKS };

/** See the module. */
export type ClientSettings = Checked<typeof CHECKS>;

/** Reads a client's options, each once, checks them and fills in the defaults. */
export function clientSettings(options: Unchecked<typeof CHECKS>): ClientSettings {
  return Object.freeze(checkOptions(options, CHECKS));
}

/** {@linkcode clientSettings} where the name is not among the options. */
export function callSettings(
  path: unknown,
  options: Unchecked<typeof CALL_CHECKS>,
): ClientSettings {
  return Object.freeze({
    path: clientPath(path),
    ...checkOptions(options, CALL_CHECKS),
    ...checkOptions({}, CONNECTION_CHECKS),
  });
}

function pipeOwner(
  owner: unknown,
  name: string,
): "current-user" | { readonly sid: string } | undefined {
  if (owner === undefined || owner === "current-user") return owner;
  if (typeof owner === "object" && owner !== null && "sid" in owner) {
    const { sid } = owner;
    if (typeof sid === "string" && SID.test(sid)) {
      return Object.freeze({ sid: `S${sid.slice(1).toLowerCase()}` });
    }
    refuse(`${name}.sid`, 'a SID, "S-1-…"', sid);
  }
  refuse(name, '"current-user" or { sid }', owner);
}
