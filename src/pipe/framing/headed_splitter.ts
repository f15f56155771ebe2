/**
 * Frames that begin with their length.
 *
 * @module
 */

import { FrameTooLong, unfinishedFrame } from "./faults.ts";
import { copyOf, FrameBuffer } from "./frame_buffer.ts";
import type { Splitter } from "./splitter.ts";

/** Reads the heads of frames, one after another. Holds no more than a bounded part of one. */
export interface HeadReader {
  /** Whether a head has arrived in part. */
  readonly begun: boolean;
  /** How long the message is whose head was read last. */
  readonly messageLength: number;
  /**
   * Reads the head from a position of the chunk on. Returns the position after it, or -1 if the
   * chunk ends first.
   *
   * @throws {Deno.errors.InvalidData} If it is not a head.
   */
  read(chunk: Uint8Array, from: number): number;
}

/** Splits a stream of frames that consist of a head, which tells the length, and the message. */
export class HeadedSplitter implements Splitter {
  readonly #max: number;
  readonly #head: HeadReader;
  readonly #message = new FrameBuffer();
  /** Whether the head is known, and its message has not arrived whole. */
  #inMessage = false;

  constructor(max: number, head: HeadReader) {
    this.#max = max;
    this.#head = head;
  }

  split(chunk: Uint8Array, messages: Uint8Array<ArrayBuffer>[]): void {
    let at = 0;
    while (at < chunk.length) {
      if (!this.#inMessage) {
        at = this.#head.read(chunk, at);
        if (at === -1) break;
        this.#beginMessage();
      }
      const end = at + this.#head.messageLength - this.#message.length;
      if (end > chunk.length) {
        this.#message.append(chunk.subarray(at), this.#head.messageLength);
        break;
      }
      messages.push(this.#finish(chunk, at, end));
      at = end;
    }
  }

  end(): void {
    if (this.#inMessage || this.#head.begun) throw unfinishedFrame();
  }

  #beginMessage(): void {
    const length = this.#head.messageLength;
    if (length > this.#max) throw new FrameTooLong(length, this.#max);
    this.#inMessage = true;
  }

  #finish(chunk: Uint8Array, at: number, end: number): Uint8Array<ArrayBuffer> {
    this.#inMessage = false;
    if (this.#message.length === 0) return copyOf(chunk, at, end);
    this.#message.append(chunk.subarray(at, end), this.#head.messageLength);
    return this.#message.take(this.#head.messageLength);
  }
}

/** A frame: its head and the message. */
export function joined(head: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(head.length + message.length);
  frame.set(head);
  frame.set(message, head.length);
  return frame;
}
