/**
 * Messages as users hand them over and as they travel.
 *
 * @module
 */

import { LONGEST_MESSAGE } from "./options.ts";

/** A message: bytes as they are, or a string, which is sent as UTF-8. */
export type Message = string | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The bytes of a message.
 *
 * @throws {TypeError} If it is neither a string nor a Uint8Array.
 * @throws {RangeError} If it is longer than one write can be.
 */
export function encodeMessage(message: unknown): Uint8Array<ArrayBuffer> {
  const bytes = typeof message === "string" ? encoder.encode(message) : viewOf(message);
  if (bytes.byteLength <= LONGEST_MESSAGE) return bytes;
  throw new RangeError(
    `Cannot send a message of ${bytes.byteLength} bytes: the longest has ${LONGEST_MESSAGE}`,
  );
}

/** Memory for a message; undefined if the program can have no more of it. */
export function allocate(bytes: number): Uint8Array<ArrayBuffer> | undefined {
  try {
    return new Uint8Array(bytes);
  } catch {
    return undefined;
  }
}

/** The text of a message, as UTF-8. */
export function decodeMessage(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

function viewOf(message: unknown): Uint8Array<ArrayBuffer> {
  if (!(message instanceof Uint8Array)) {
    const type = message === null ? "null" : typeof message;
    throw new TypeError(`Cannot send a message of type ${type}: must be a string or a Uint8Array`);
  }
  if (!isPlain(message)) return new Uint8Array(message);
  // A subclass may do otherwise: `slice()` of a Node.js Buffer does not copy.
  return Object.getPrototypeOf(message) === Uint8Array.prototype
    ? message
    : new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
}

/** Memory that is shared or resizable is not taken by FFI calls: it is copied first. */
function isPlain(view: Uint8Array): view is Uint8Array<ArrayBuffer> {
  return view.buffer instanceof ArrayBuffer && !view.buffer.resizable;
}
