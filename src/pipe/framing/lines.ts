/**
 * Messages as lines.
 *
 * @module
 */

import { type Check, checkOptions, refuse } from "../../options/checks.ts";
import type { Framing } from "../../options/framing.ts";
import { builtInFraming } from "./framings.ts";
import { FrameTooLong, unfinishedFrame } from "./faults.ts";
import { copyOf, FrameBuffer } from "./frame_buffer.ts";
import type { Splitter } from "./splitter.ts";

const LF = 0x0a;
const CR = 0x0d;

/** Options of {@linkcode lines}. */
export interface LinesOptions {
  /**
   * What a last line is that has no line feed when the stream ends: an error of that connection, or
   * a message. With `"error"`, a line that was cut off is never taken for a whole one.
   *
   * @default {"error"}
   */
  unfinished?: "error" | "message" | undefined;
}

const unfinishedLine: Check<"error" | "message"> = (value = "error", name) =>
  value === "error" || value === "message" ? value : refuse(name, '"error" or "message"', value);

/**
 * A framing in which each message is a line, such as newline-delimited JSON. It works on bytes, so
 * any encoding will do in which the byte 10 is always a line feed: UTF-8 is one, UTF-16 is not.
 *
 * - **Received:** a line ends with a line feed (LF), which is not part of the message. Neither is one
 *   carriage return (CR) before it. An empty line is an empty message. `maxMessage` is for the line
 *   without its end.
 * - **Sent:** LF is appended. A message that contains LF, or ends in CR, is refused with a
 *   `TypeError`, since it would arrive as something else. So what is sent arrives unchanged.
 *
 * @throws {TypeError} If an option has a wrong type or value.
 *
 * @example Requests and answers in JSON, one a line
 * ```ts
 * import { lines } from "@overlapped/named-pipe";
 *
 * const framing = lines();
 * const encoder = new TextEncoder();
 * const line = framing.encode(encoder.encode(JSON.stringify({ hello: "world" })));
 *
 * const decoder = framing.decoder(1024);
 * decoder.push(line.subarray(0, 5)); // []
 * for (const message of decoder.push(line.subarray(5))) {
 *   console.log(new TextDecoder().decode(message)); // {"hello":"world"}
 * }
 * ```
 */
export function lines(options: LinesOptions = {}): Framing {
  const { unfinished } = checkOptions(options, { unfinished: unfinishedLine });
  return builtInFraming(encode, (max) => new LineSplitter(max, unfinished === "message"));
}

function encode(message: Uint8Array): Uint8Array<ArrayBuffer> {
  if (message.includes(LF)) {
    throw new TypeError("Cannot frame a message as a line: it contains a line feed");
  }
  if (message.at(-1) === CR) {
    throw new TypeError("Cannot frame a message as a line: it ends in a carriage return");
  }
  const line = new Uint8Array(message.length + 1);
  line.set(message);
  line[message.length] = LF;
  return line;
}

class LineSplitter implements Splitter {
  readonly #max: number;
  readonly #takesUnfinished: boolean;
  /** The line as far as it has arrived: at most the longest message, and a CR. */
  readonly #line = new FrameBuffer();

  constructor(max: number, takesUnfinished: boolean) {
    this.#max = max;
    this.#takesUnfinished = takesUnfinished;
  }

  split(chunk: Uint8Array, messages: Uint8Array<ArrayBuffer>[]): void {
    let start = 0;
    for (let end; (end = chunk.indexOf(LF, start)) !== -1; start = end + 1) {
      messages.push(this.#finish(chunk, start, end));
    }
    if (start < chunk.length) this.#append(chunk.subarray(start));
  }

  end(messages: Uint8Array<ArrayBuffer>[]): void {
    if (this.#line.length === 0) return;
    if (!this.#takesUnfinished) throw unfinishedFrame();
    messages.push(this.#takeLine());
  }

  /** The message that ends at a line feed of the chunk. */
  #finish(chunk: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
    if (this.#line.length > 0) {
      this.#append(chunk.subarray(start, end));
      return this.#takeLine();
    }
    const length = lengthOf(end - start, end > start ? chunk[end - 1] : undefined);
    if (length > this.#max) throw new FrameTooLong(length, this.#max);
    return copyOf(chunk, start, start + length);
  }

  #append(piece: Uint8Array): void {
    const length = lengthOf(this.#line.length + piece.length, piece.at(-1) ?? this.#line.last);
    if (length > this.#max) throw new FrameTooLong(`at least ${length}`, this.#max);
    this.#line.append(piece, this.#max + 1);
  }

  #takeLine(): Uint8Array<ArrayBuffer> {
    return this.#line.take(lengthOf(this.#line.length, this.#line.last));
  }
}

/** Bytes of the message in a line, if its end is near: a CR at the end is not part of it. */
function lengthOf(line: number, last: number | undefined): number {
  return last === CR ? line - 1 : line;
}
