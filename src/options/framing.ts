/**
 * Framing: what it is, and the check of the option.
 *
 * @module
 */

import { refuse } from "./checks.ts";

/**
 * How messages are cut out of a stream of bytes, and how each becomes part of one. A byte pipe has
 * no message boundaries, so both ends have to agree on a framing. {@linkcode lines},
 * {@linkcode lengthPrefixed} and {@linkcode contentLength} are the usual ones; an object with these
 * two functions is another. They are read when the option is, and called on the object.
 *
 * @example Lines that end in CR LF, for a peer that insists on it
 * ```ts
 * import { type Framing, lines } from "@overlapped/named-pipe";
 *
 * const crlfLines: Framing = {
 *   ...lines(),
 *   encode(message) {
 *     if (message.includes(10)) throw new TypeError("A line cannot contain a line feed");
 *     const line = new Uint8Array(message.length + 2);
 *     line.set(message);
 *     line.set([13, 10], message.length);
 *     return line;
 *   },
 * };
 * ```
 */
export interface Framing {
  /**
   * Returns the frame of a message: the bytes that are written to the stream.
   *
   * @param message Bytes of the message. They belong to the caller, and must not be changed.
   * @throws {TypeError | RangeError} If the message cannot be framed. The call that was to send it
   *   fails with this error; nothing is written, and the connection stays open.
   */
  encode(message: Uint8Array): Uint8Array;
  /**
   * Returns a decoder for one direction of one connection.
   *
   * @param max Bytes of the longest message that may be received, without its frame: `maxMessage`.
   *   A frame that announces more should be refused before any of it is kept.
   */
  decoder(max: number): FrameDecoder;
}

/**
 * Cuts one stream into messages. Once one of its functions has thrown, it is not called again, and
 * the connection is closed.
 */
export interface FrameDecoder {
  /**
   * Takes the next bytes of the stream and returns the messages that they complete, in order. The
   * bytes may end anywhere, in the middle of a frame or after several, and there may be none. When
   * this throws, the messages that it has found are lost: to have those before a bad frame received,
   * return them, and throw at the next call.
   *
   * @throws {Deno.errors.InvalidData} If the bytes are not a frame, or one that is too long.
   */
  push(chunk: Uint8Array): Uint8Array[];
  /**
   * Takes the end of the stream and returns the messages that it completes, usually none.
   *
   * @throws {Deno.errors.InvalidData} If the stream ended within a frame.
   */
  end(): Uint8Array[];
}

/** A framing of this module: its messages are in memory of their own, and no longer than asked. */
export interface BuiltInFraming extends Framing {
  encode(message: Uint8Array): Uint8Array<ArrayBuffer>;
  decoder(max: number): BuiltInDecoder;
}

/** The decoder of a {@linkcode BuiltInFraming}. */
export interface BuiltInDecoder extends FrameDecoder {
  push(chunk: Uint8Array): Uint8Array<ArrayBuffer>[];
  end(): Uint8Array<ArrayBuffer>[];
}

const builtIn = new WeakSet();

/** Marks a framing as one of this module, which need not be verified, and freezes it. */
export function markBuiltIn(framing: BuiltInFraming): BuiltInFraming {
  builtIn.add(framing);
  return Object.freeze(framing);
}

/** Whether a framing is one of this module, unchanged. */
export function isBuiltIn(framing: object): framing is BuiltInFraming {
  return builtIn.has(framing);
}

/** A framing, or none. The functions of one that is not of this module are read once. */
export function framing(value: unknown, name: string): Framing | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null) {
    refuse(name, "an object with encode() and decoder()", value);
  }
  if (isBuiltIn(value)) return value;
  const { encode, decoder }: { encode?: unknown; decoder?: unknown } = value;
  if (typeof encode !== "function") refuse(`${name}.encode`, "a function", encode);
  if (typeof decoder !== "function") refuse(`${name}.decoder`, "a function", decoder);
  return Object.freeze({
    encode: (message: Uint8Array) => Reflect.apply(encode, value, [message]),
    decoder: (max: number) => Reflect.apply(decoder, value, [max]),
  });
}
