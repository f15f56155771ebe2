/**
 * Messages after their length in binary.
 *
 * @module
 */

import { boolean, type Check, checkOptions, refuse } from "../../options/checks.ts";
import type { Framing } from "../../options/framing.ts";
import { builtInFraming } from "./framings.ts";
import { HeadedSplitter, type HeadReader, joined } from "./headed_splitter.ts";

/** Bytes of a prefix. */
type PrefixBytes = 1 | 2 | 4 | 8;

/** Options of {@linkcode lengthPrefixed}. */
export interface LengthPrefixedOptions {
  /**
   * Bytes of the prefix, an unsigned integer.
   *
   * @default {4}
   */
  bytes?: 1 | 2 | 4 | 8 | undefined;
  /**
   * Whether the least significant byte comes first, as in the memory of Windows, C's `fwrite` of an
   * integer and an integer by .NET's `BinaryWriter`. Java's `DataOutputStream` and most network
   * protocols begin with the most significant.
   *
   * @default {false}
   */
  littleEndian?: boolean | undefined;
}

const prefixBytes: Check<PrefixBytes> = (value = 4, name) => {
  if (value === 1 || value === 2 || value === 4 || value === 8) return value;
  if (typeof value !== "number") refuse(name, "a number", value);
  throw new RangeError(`Cannot use "${name}": must be 1, 2, 4 or 8, was ${value}`);
};

const CHECKS = { bytes: prefixBytes, littleEndian: boolean };

/**
 * A framing in which each message follows its length in bytes, as an unsigned integer. The length
 * does not count the prefix. Messages may contain anything and may be empty.
 *
 * A frame that announces more than `maxMessage` is refused before any of the message is kept. A
 * message that is too long for the prefix, such as 256 bytes with `bytes: 1`, is refused with a
 * `RangeError` when it is to be sent.
 *
 * @throws {TypeError} If an option has a wrong type.
 * @throws {RangeError} If `bytes` is not 1, 2, 4 or 8.
 *
 * @example The frames of Chrome's native messaging
 * ```ts
 * import { lengthPrefixed } from "@overlapped/named-pipe";
 *
 * const framing = lengthPrefixed({ littleEndian: true });
 * console.log(framing.encode(Uint8Array.of(7, 8))); // 2, 0, 0, 0, 7, 8
 * ```
 */
export function lengthPrefixed(options: LengthPrefixedOptions = {}): Framing {
  const { bytes, littleEndian } = checkOptions(options, CHECKS);
  return builtInFraming(
    (message) => joined(prefix(message.length, bytes, littleEndian), message),
    (max) => new HeadedSplitter(max, new PrefixReader(bytes, littleEndian)),
  );
}

function prefix(length: number, bytes: PrefixBytes, littleEndian: boolean): Uint8Array {
  if (length >= 2 ** (8 * bytes)) {
    throw new RangeError(
      `Cannot frame a message of ${length} bytes: its length does not fit into ${bytes} ` +
        `${bytes === 1 ? "byte" : "bytes"}`,
    );
  }
  const prefix = new Uint8Array(bytes);
  let rest = length;
  for (let i = 0; i < bytes; i++) {
    prefix[littleEndian ? i : bytes - 1 - i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return prefix;
}

class PrefixReader implements HeadReader {
  readonly #littleEndian: boolean;
  readonly #prefix: Uint8Array;
  #held = 0;
  #messageLength = 0;

  constructor(bytes: PrefixBytes, littleEndian: boolean) {
    this.#littleEndian = littleEndian;
    this.#prefix = new Uint8Array(bytes);
  }

  get begun(): boolean {
    return this.#held > 0;
  }

  get messageLength(): number {
    return this.#messageLength;
  }

  read(chunk: Uint8Array, from: number): number {
    const to = from + this.#prefix.length - this.#held;
    this.#prefix.set(chunk.subarray(from, to), this.#held);
    if (to > chunk.length) {
      this.#held += chunk.length - from;
      return -1;
    }
    this.#held = 0;
    this.#messageLength = this.#decode();
    return to;
  }

  /** Inexact from 2 ** 53 on, which is beyond every limit anyway. */
  #decode(): number {
    const sum = (length: number, byte: number) => length * 256 + byte;
    return this.#littleEndian ? this.#prefix.reduceRight(sum, 0) : this.#prefix.reduce(sum, 0);
  }
}
