/**
 * Messages as users give them, and as bytes.
 *
 * @module
 */

import { LONGEST_MESSAGE } from "../options/checks.ts";

/**
 * A message: bytes, or a string, which is sent as UTF-8. A `Uint8Array` may be of any class and
 * realm, and its length is what its memory holds at the call. If that memory is detached or out of
 * bounds, a `TypeError` is thrown.
 */
export type Message = string | Uint8Array;

/** No bytes, which nobody can change. */
export const NO_BYTES: Uint8Array<ArrayBuffer> = new Uint8Array(0);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// An array's own properties may claim any length, and its class may copy as it likes. Trusting them
// would send memory that is not part of the message, so the engine's own getters are used.
const TYPED_ARRAY: object = Object.getPrototypeOf(Uint8Array.prototype);
const kindOf = getter<string | undefined>(TYPED_ARRAY, Symbol.toStringTag);
const bufferOf = getter<ArrayBufferLike>(TYPED_ARRAY, "buffer");
const byteOffsetOf = getter<number>(TYPED_ARRAY, "byteOffset");
const byteLengthOf = getter<number>(TYPED_ARRAY, "byteLength");
const isResizable = getter<boolean>(ArrayBuffer.prototype, "resizable");

/** Whether a value is a Uint8Array, of any class and realm. Runs no code of the value's. */
export function isBytes(value: unknown): value is Uint8Array {
  return kindOf(value) === "Uint8Array";
}

/**
 * The bytes of a message, as a plain array that has no properties of its own. Memory that is shared,
 * resizable or of another realm is copied.
 *
 * @throws {TypeError} If it is neither a string nor a Uint8Array, or its memory is detached.
 * @throws {RangeError} If it is longer than one write can be.
 */
export function encodeMessage(message: unknown): Uint8Array<ArrayBuffer> {
  const bytes = typeof message === "string" ? encoder.encode(message) : viewOf(message);
  if (bytes.byteLength <= LONGEST_MESSAGE) return bytes;
  throw new RangeError(
    `Cannot send a message of ${bytes.byteLength} bytes: the longest has ${LONGEST_MESSAGE}`,
  );
}

/** The text of a message, as UTF-8. */
export function decodeMessage(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * The same bytes, as a plain array that has no properties of its own; undefined if their memory is
 * shared, resizable or of another realm.
 *
 * @throws {TypeError} If their memory is detached.
 */
export function plainView(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const buffer = bufferOf(bytes);
  // FFI calls do not take memory that is shared or resizable.
  if (!(buffer instanceof ArrayBuffer) || isResizable(buffer)) return undefined;
  return new Uint8Array(buffer, byteOffsetOf(bytes), byteLengthOf(bytes));
}

function viewOf(message: unknown): Uint8Array<ArrayBuffer> {
  if (!isBytes(message)) {
    const type = message === null ? "null" : typeof message;
    throw new TypeError(`Cannot send a message of type ${type}: must be a string or a Uint8Array`);
  }
  try {
    return plainView(message) ?? new Uint8Array(message);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new TypeError("Cannot send a message whose memory is detached or out of bounds", {
      cause,
    });
  }
}

/** A getter of the engine, as a function of the object. */
function getter<T>(prototype: object, name: PropertyKey): (of: unknown) => T {
  const { get = () => undefined } = Object.getOwnPropertyDescriptor(prototype, name) ?? {};
  return Function.prototype.call.bind(get);
}
