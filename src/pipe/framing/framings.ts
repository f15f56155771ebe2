/**
 * Framings that a connection can rely on: those of this module, and verified ones of programs.
 *
 * @module
 */

import { messageLength, show } from "../../options/checks.ts";
import {
  type BuiltInDecoder,
  type BuiltInFraming,
  type FrameDecoder,
  type Framing,
  isBuiltIn,
  markBuiltIn,
} from "../../options/framing.ts";
import { isBytes } from "../message.ts";
import { FrameTooLong } from "./faults.ts";
import { copyOf } from "./frame_buffer.ts";
import { decoderOf, type Splitter } from "./splitter.ts";

/** A framing of this module, whose functions check what programs without types may pass. */
export function builtInFraming(
  encode: (message: Uint8Array) => Uint8Array<ArrayBuffer>,
  splitter: (max: number) => Splitter,
): BuiltInFraming {
  return markBuiltIn({
    encode(message: Uint8Array): Uint8Array<ArrayBuffer> {
      if (isBytes(message)) return encode(message);
      throw new TypeError(`Cannot frame a message: must be a Uint8Array, was ${show(message)}`);
    },
    decoder(max: number): BuiltInDecoder {
      return decoderOf(splitter(messageLength(max, "max")));
    },
  });
}

/**
 * A framing that keeps to what its interface says, or throws a `TypeError` that names what it does
 * not. One of this module is returned as it is. Of any other, chunks and messages are copied, since
 * it may return parts of a chunk, or keep them for later.
 *
 * What the framing itself throws is passed on. A message that is longer than asked for is a
 * {@linkcode FrameTooLong}.
 */
export function verifiedFraming(framing: Framing): BuiltInFraming {
  if (isBuiltIn(framing)) return framing;
  return {
    encode: (message) => bytesOf(framing.encode(message), "encode() must return a Uint8Array"),
    decoder: (max) => decoderOf(new VerifyingSplitter(framing.decoder(max), max)),
  };
}

class VerifyingSplitter implements Splitter {
  readonly #max: number;
  readonly #push: (chunk: Uint8Array) => unknown;
  readonly #end: () => unknown;

  constructor(decoder: FrameDecoder, max: number) {
    if (typeof decoder !== "object" || decoder === null) {
      throw misuse("decoder() must return an object with push() and end()", decoder);
    }
    const { push, end } = decoder;
    if (typeof push !== "function") throw misuse("push of a decoder must be a function", push);
    if (typeof end !== "function") throw misuse("end of a decoder must be a function", end);
    this.#max = max;
    this.#push = (chunk) => Reflect.apply(push, decoder, [chunk]);
    this.#end = () => Reflect.apply(end, decoder, []);
  }

  split(chunk: Uint8Array, messages: Uint8Array<ArrayBuffer>[]): void {
    this.#verify(this.#push(copyOf(chunk, 0, chunk.length)), "push()", messages);
  }

  end(messages: Uint8Array<ArrayBuffer>[]): void {
    this.#verify(this.#end(), "end()", messages);
  }

  #verify(returned: unknown, from: string, messages: Uint8Array<ArrayBuffer>[]): void {
    const wanted = `${from} of a decoder must return an array of Uint8Array`;
    if (!Array.isArray(returned)) throw misuse(wanted, returned);
    for (const message of returned) {
      const bytes = bytesOf(message, wanted);
      if (bytes.length > this.#max) throw new FrameTooLong(bytes.length, this.#max);
      messages.push(bytes);
    }
  }
}

/** A copy in memory of its own. */
function bytesOf(value: unknown, wanted: string): Uint8Array<ArrayBuffer> {
  if (!isBytes(value)) throw misuse(wanted, value);
  try {
    return new Uint8Array(value);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new TypeError(`Cannot use "framing": ${wanted}, returned one whose memory is detached`, {
      cause,
    });
  }
}

function misuse(wanted: string, value: unknown): TypeError {
  return new TypeError(`Cannot use "framing": ${wanted}, was ${show(value)}`);
}
