/**
 * One direction of a connection. Pure semantics: everything happens at once and in order, and when
 * somebody else gets to see it is decided above.
 *
 * @module
 */

import type { Peeked } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import type { Operation } from "./operation.ts";

/** Where systems differ, or nobody knows what Windows does: nobody may rely on either. */
export interface Ways {
  /** A read in byte mode that has room left takes empty messages that follow, too. */
  takesEmpty: boolean;
  /** What is destroyed makes room, and a later write that fits then ends with success. */
  makesRoom: boolean;
  /** A write that pends when its handle is closed goes on, and can be read; else it is lost. */
  keepsPending: boolean;
}

interface Message {
  readonly bytes: Uint8Array;
  /** Bytes read so far. */
  read: number;
  /** The write that still pends. Its bytes are visible to the reader all the same. */
  write: Operation | undefined;
}

interface Reader {
  readonly operation: Operation;
  readonly size: number;
  readonly whole: boolean;
}

function left(message: Message): number {
  return message.bytes.length - message.read;
}

/** One direction of a connection: what was written and not read, and who waits. */
export class Channel {
  #unread: Message[] = [];
  #readers: Reader[] = [];
  readonly #quota: number;
  readonly #messages: boolean;
  readonly #ways: Ways;
  /** Why writing is over. */
  #noWrites: number | undefined;
  /** Why reading is over, once nothing is left to read. */
  #noReads: number | undefined;

  constructor(quota: number, messages: boolean, ways: Ways) {
    this.#quota = quota;
    this.#messages = messages;
    this.#ways = ways;
  }

  write(operation: Operation, bytes: Uint8Array): void {
    if (this.#noWrites !== undefined) return operation.finish(this.#noWrites);
    // An empty write is a message of its own, or nothing at all on a byte pipe.
    if (bytes.length === 0 && !this.#messages) return operation.finish(Status.SUCCESS);
    const message: Message = { bytes: bytes.slice(), read: 0, write: operation };
    operation.withdraw = () => {
      // What is unread of it disappears, even if it was partly read.
      this.#unread = this.#unread.filter((other) => other !== message);
      this.#settle();
    };
    this.#unread.push(message);
    this.#settle();
  }

  /**
   * A write for which the system has no memory: by then a read that waits may have been filled with
   * the beginning of the message. The rest is nowhere.
   */
  writeInPart(bytes: Uint8Array): void {
    if (!this.takesPart(bytes)) return;
    const reader = this.#readers.shift();
    if (reader === undefined) return;
    const { operation, size, whole } = reader;
    operation.finish(whole ? Status.MORE_DATA : Status.SUCCESS, size, bytes.slice(0, size));
  }

  /** Whether a read waits that takes a part of a message, and not all of it. */
  takesPart({ length }: Uint8Array): boolean {
    const [reader] = this.#readers;
    return reader !== undefined && reader.size > 0 && reader.size < length;
  }

  /** `whole`: message read mode. */
  read(operation: Operation, size: number, whole: boolean): void {
    if (this.#unread.length === 0 && this.#noReads !== undefined) {
      return operation.finish(this.#noReads);
    }
    const reader: Reader = { operation, size, whole };
    operation.withdraw = () => {
      this.#readers = this.#readers.filter((other) => other !== reader);
    };
    this.#readers.push(reader);
    this.#settle();
  }

  /** The type of the pipe counts, not the mode of its reader. */
  peek(): Peeked {
    const head = this.#unread[0];
    if (head === undefined) return { status: this.#noReads ?? Status.SUCCESS, left: 0 };
    return { status: Status.SUCCESS, left: this.#messages ? left(head) : 0 };
  }

  /** Bytes that can be read. */
  get unread(): number {
    return this.#unread.reduce((sum, message) => sum + left(message), 0);
  }

  /** The writer closes its handle: what it has completed stays readable, then 109. */
  closeWriter(): void {
    this.#noWrites ??= Status.NO_DATA;
    this.#noReads ??= Status.BROKEN;
    if (this.#ways.keepsPending) return this.#endReaders(Status.BROKEN);
    // A write that still pends is withdrawn with the unread rest of its message.
    const lost = this.#unread.filter((message) => message.write !== undefined);
    this.#unread = this.#unread.filter((message) => message.write === undefined);
    for (const { write } of lost) write?.finish(Status.BROKEN);
    this.#endReaders(Status.BROKEN);
  }

  /** The reader closes its handle: pending writes end with 109, later ones with 232. */
  closeReader(): void {
    this.#noWrites ??= Status.NO_DATA;
    this.#noReads ??= Status.BROKEN;
    this.#endReaders(Status.BROKEN);
    this.#destroy(Status.BROKEN);
  }

  /** The server disconnects: what is unread is destroyed, and all that waits ends. */
  disconnect(): void {
    this.#noWrites = Status.DISCONNECTED;
    this.#noReads = Status.DISCONNECTED;
    this.#endReaders(Status.DISCONNECTED);
    this.#destroy(Status.DISCONNECTED);
  }

  #endReaders(status: number): void {
    for (const { operation } of this.#readers.splice(0)) operation.finish(status);
  }

  #destroy(status: number): void {
    for (let lost = this.#unread.shift(); lost !== undefined; lost = this.#unread.shift()) {
      lost.write?.finish(status);
      if (this.#ways.makesRoom) this.#completeWrites();
    }
  }

  #settle(): void {
    // Readers are served in the order in which they came.
    while (this.#unread.length > 0) {
      const reader = this.#readers.shift();
      if (reader === undefined) break;
      if (reader.whole) this.#readMessage(reader);
      else this.#readBytes(reader);
    }
    this.#completeWrites();
  }

  #completeWrites(): void {
    // A write is over as soon as the unread total up to its end fits the quota. An empty
    // message does not count against the quota.
    let unread = 0;
    for (const message of [...this.#unread]) {
      unread += left(message);
      if (unread <= this.#quota || message.bytes.length === 0) this.#completeWrite(message);
    }
  }

  /** One message, or as much of it as fits, and the rest stays. */
  #readMessage(reader: Reader): void {
    const [message] = this.#unread;
    if (message === undefined) return;
    const size = Math.min(left(message), reader.size);
    const bytes = message.bytes.slice(message.read, message.read + size);
    message.read += size;
    const partial = left(message) > 0;
    if (!partial) this.#unread.shift();
    reader.operation.finish(partial ? Status.MORE_DATA : Status.SUCCESS, size, bytes);
    if (!partial) this.#completeWrite(message);
  }

  /** Byte read mode crosses the boundaries of messages, and so passes over empty ones. */
  #readBytes(reader: Reader): void {
    const bytes = new Uint8Array(Math.min(this.unread, reader.size));
    const emptied: Message[] = [];
    let size = 0;
    for (const message of [...this.#unread]) {
      const part = message.bytes.slice(message.read, message.read + bytes.length - size);
      bytes.set(part, size);
      message.read += part.length;
      size += part.length;
      if (left(message) > 0) break;
      this.#unread.shift();
      emptied.push(message);
      // One at the end may stay: it is the next read's, of no bytes.
      if (size === (this.#ways.takesEmpty ? reader.size : bytes.length)) break;
    }
    reader.operation.finish(Status.SUCCESS, size, bytes);
    for (const message of emptied) this.#completeWrite(message);
  }

  #completeWrite(message: Message): void {
    const write = message.write;
    message.write = undefined;
    write?.finish(Status.SUCCESS, message.bytes.length);
  }
}
