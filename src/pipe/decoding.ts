/**
 * How messages are handed to the program: as bytes, as text, or as JSON.
 *
 * @module
 */

import { refuse } from "../options/checks.ts";
import { decodeMessage } from "./message.ts";

/** How a message is decoded. */
export type As = "bytes" | "text" | "json";

/** A message that was decoded. */
export type Decoded<A extends As> = A extends "bytes" ? Uint8Array<ArrayBuffer>
  : A extends "text" ? string
  : unknown;

/** What stands for the end of a connection, where a message is expected. JSON may be null. */
export type Ended<A extends As> = A extends "json" ? undefined : null;

/** Checks the option `as`. */
export function decodingOf<A extends As>(as: A | undefined): A;
export function decodingOf(as: unknown = "bytes"): As {
  return as === "bytes" || as === "text" || as === "json"
    ? as
    : refuse("as", '"bytes", "text" or "json"', as);
}

/** What stands for the end of a connection. */
export function endedAs<A extends As>(as: A): Ended<A>;
export function endedAs(as: As): null | undefined {
  return as === "json" ? undefined : null;
}

/**
 * Decodes a message.
 *
 * @throws {SyntaxError} If it is not JSON.
 */
export function decodeAs<A extends As>(message: Uint8Array<ArrayBuffer>, as: A): Decoded<A>;
export function decodeAs(message: Uint8Array<ArrayBuffer>, as: As): unknown {
  switch (as) {
    case "bytes":
      return message;
    case "text":
      return decodeMessage(message);
    case "json":
      return JSON.parse(decodeMessage(message));
  }
}
