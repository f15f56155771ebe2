/**
 * Messages after a head as in HTTP, which tells their length.
 *
 * @module
 */

import type { Framing } from "../../options/framing.ts";
import { builtInFraming } from "./framings.ts";
import { badFrame } from "./faults.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { HeadedSplitter, type HeadReader, joined } from "./headed_splitter.ts";

/** The longest head, with the empty line that ends it, in bytes. */
const LONGEST_HEAD = 8192;

const LF = 0x0a;
const CR = 0x0d;

const encoder = new TextEncoder();

/** The name of a header, as HTTP has it. */
const NAME = /^[!#$%&'*+.^`|~\w-]+$/;

/** Two readers could disagree on where a header with one of these ends. */
const AMBIGUOUS = /[\r\n\0]/;

/** The value of Content-Length. */
const LENGTH = /^[ \t]*(\d+)[ \t]*$/;

/**
 * The framing of the Language Server Protocol and the Debug Adapter Protocol: the head
 * `Content-Length: 5`, an empty line, and then the message of 5 bytes. Messages may contain anything
 * and may be empty.
 *
 * - **Received:** header lines end with CR LF, names are compared without case, and headers other
 *   than `Content-Length` are ignored. A head of more than 8 KiB, or one in which `Content-Length`
 *   is missing, occurs twice or is not a plain decimal number, is an error. A frame that announces
 *   more than `maxMessage` is refused before any of the message is kept.
 * - **Sent:** `Content-Length` is the only header.
 *
 * @example The head of a message
 * ```ts
 * import { contentLength } from "@overlapped/named-pipe";
 *
 * const message = new TextEncoder().encode('{"jsonrpc":"2.0","method":"exit"}');
 * const frame = contentLength().encode(message);
 * console.log(new TextDecoder().decode(frame));
 * // Content-Length: 33
 * //
 * // {"jsonrpc":"2.0","method":"exit"}
 * ```
 */
export function contentLength(): Framing {
  return builtInFraming(
    (message) => joined(encoder.encode(`Content-Length: ${message.length}\r\n\r\n`), message),
    (max) => new HeadedSplitter(max, new HeaderReader()),
  );
}

class HeaderReader implements HeadReader {
  readonly #head = new FrameBuffer();
  /** How much of the CR LF CR LF that ends a head the last bytes are. */
  #endBytes = 0;
  #messageLength = 0;

  get begun(): boolean {
    return this.#head.length > 0;
  }

  get messageLength(): number {
    return this.#messageLength;
  }

  read(chunk: Uint8Array, from: number): number {
    const to = this.#findEnd(chunk, from);
    const head = chunk.subarray(from, to === -1 ? chunk.length : to);
    if (this.#head.length + head.length > LONGEST_HEAD) {
      throw badFrame(`its head is longer than ${LONGEST_HEAD} bytes`);
    }
    this.#head.append(head, LONGEST_HEAD);
    if (to === -1) return -1;
    // Every byte as the character with its number: values may be in any encoding.
    this.#messageLength = parse(String.fromCharCode(...this.#head.take(this.#head.length)));
    return to;
  }

  /** The position after the empty line, or -1. Looks no further than a head may reach. */
  #findEnd(chunk: Uint8Array, from: number): number {
    const last = Math.min(chunk.length, from + LONGEST_HEAD);
    for (let at = from; at < last; at++) {
      const byte = chunk[at];
      if (byte === CR) this.#endBytes = this.#endBytes === 2 ? 3 : 1;
      else if (byte === LF && this.#endBytes % 2 === 1) this.#endBytes++;
      else this.#endBytes = 0;
      if (this.#endBytes === 4) return at + 1;
    }
    return -1;
  }
}

/** The length of the message, from the head with the empty line. */
function parse(head: string): number {
  let length: number | undefined;
  for (const header of head.slice(0, -4).split("\r\n")) {
    const colon = header.indexOf(":");
    const name = header.slice(0, colon);
    if (colon === -1 || !NAME.test(name) || AMBIGUOUS.test(header)) {
      throw badFrame("its head has a malformed header");
    }
    if (name.toLowerCase() !== "content-length") continue;
    if (length !== undefined) throw badFrame("its head has two Content-Length headers");
    length = parseLength(header.slice(colon + 1));
  }
  if (length === undefined) throw badFrame("its head has no Content-Length header");
  return length;
}

/** Inexact from 2 ** 53 on, which is beyond every limit anyway. */
function parseLength(value: string): number {
  const [, digits] = LENGTH.exec(value) ?? [];
  if (digits === undefined) throw badFrame("its Content-Length is not a decimal number");
  return Number(digits);
}
