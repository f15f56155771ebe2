/**
 * What a named pipe is: channels, instances and their two ends. Pure semantics: everything happens
 * at once and in order, and when somebody else gets to see it is decided above.
 *
 * @module
 */

import type { Direction, Impersonation, Peeked } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";

/** Statuses of Windows that the seam has no name for. */
export const Code = {
  /** A server's call on a client's end. */
  INVALID_FUNCTION: 1,
} as const;

/** The direction of the other end: what one writes, the other reads. */
export const OPPOSITE: Readonly<Record<Direction, Direction>> = {
  both: "both",
  read: "write",
  write: "read",
};

/** Where systems differ, or nobody knows what Windows does: nobody may rely on either. */
export interface Ways {
  /** A read in byte mode that has room left takes empty messages that follow, too. */
  takesEmpty: boolean;
  /** What is destroyed makes room, and a later write that fits then ends with success. */
  makesRoom: boolean;
  /** A write that pends when its handle is closed goes on, and can be read; else it is lost. */
  keepsPending: boolean;
}

const NOTHING = new Uint8Array();

/** A listen, a read or a write, from its submission to its one completion. */
export class Operation {
  /** PENDING, or how it ended. */
  status: number = Status.PENDING;
  /** What a read brought. */
  bytes: Uint8Array = NOTHING;
  /** Bytes moved. */
  transferred = 0;
  /** Takes the operation away from whatever it waits in. */
  withdraw: () => void = () => {};
  readonly #ended: () => void;

  constructor(ended: () => void = () => {}) {
    this.#ended = ended;
  }

  /** The one completion. */
  finish(status: number, transferred = 0, bytes: Uint8Array = NOTHING): void {
    if (this.status !== Status.PENDING) throw new Error("model: an operation completed twice");
    this.status = status;
    this.transferred = transferred;
    this.bytes = bytes;
    this.#ended();
  }

  /** Whether there was something to cancel. */
  cancel(): boolean {
    if (this.status !== Status.PENDING) return false;
    this.withdraw();
    this.finish(Status.CANCELLED);
    return true;
  }
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

/** What one end of a pipe can be asked. */
export interface End {
  /** What the name was created with. */
  readonly terms: Terms;
  /** The process that created the instance. */
  readonly host: number;
  listen(operation: Operation): void;
  read(operation: Operation, size: number): void;
  write(operation: Operation, bytes: Uint8Array): void;
  /** What a write does that fails for want of memory. */
  writeInPart(bytes: Uint8Array): void;
  /** Whether the other end reads, and has less room than the message needs. */
  takesPart(bytes: Uint8Array): boolean;
  peek(): Peeked;
  /** Message read mode or byte read mode. */
  keepMessages(on: boolean): number;
  disconnect(): number;
  close(): void;
}

/** What a client's end is opened with. */
export interface Opening {
  /** The process that opens it; one that nobody knows unless told. */
  readonly process?: number;
  /** What the end can do; nothing but ask, for `"none"`, and both unless told. */
  readonly direction?: Direction | "none";
  /** What the server may do with the client's identity; identify it unless told. */
  readonly impersonation?: Impersonation;
  /** When the client's identity is taken; with each message unless told. */
  readonly tracking?: Tracking;
}

/** When the system takes a client's identity: once, at its opening, or anew with each message. */
export type Tracking = (typeof TRACKING)[number];

/** See {@linkcode Tracking}. */
export const TRACKING = ["static", "dynamic"] as const;

/** What a pipe is created with. */
export interface Terms {
  /** Message type, or byte type: the first one's word counts. */
  readonly messages: boolean;
  /** What the server's end can do; both unless told. */
  readonly direction?: Direction;
  /** Most server handles of the name: the first one's word counts. */
  readonly most: number;
  /** Quota of what clients write. */
  readonly readBufferSize: number;
  /** Quota of what the server writes. */
  readonly writeBufferSize: number;
  /** The security descriptor, in SDDL: the first one's word counts. */
  readonly security?: string;
  /** The process that creates it. */
  readonly process?: number;
}

class Connection {
  readonly toServer: Channel;
  readonly toClient: Channel;

  /** `process`: that of the client. */
  constructor(terms: Terms, ways: Ways, readonly process: number) {
    this.toServer = new Channel(terms.readBufferSize, terms.messages, ways);
    this.toClient = new Channel(terms.writeBufferSize, terms.messages, ways);
  }

  closeClient(): void {
    this.toServer.closeWriter();
    this.toClient.closeReader();
  }

  closeServer(): void {
    this.toClient.closeWriter();
    this.toServer.closeReader();
  }

  disconnect(): void {
    this.toServer.disconnect();
    this.toClient.disconnect();
  }
}

/** One name of the namespace. */
export class Name {
  readonly terms: Terms;
  /** Every open server handle counts, connected or not. */
  readonly servers: Set<ServerEnd> = new Set();
  /** Instances that take a client, in the order in which they began to. */
  readonly listening: Set<ServerEnd> = new Set();
  readonly ways: Ways;
  /** As its first instance spells it. */
  readonly path: string;
  readonly #died: () => void;

  constructor(path: string, terms: Terms, ways: Ways, died: () => void) {
    this.path = path;
    this.terms = terms;
    this.ways = ways;
    this.#died = died;
  }

  /** The name dies with the last server handle, even if clients remain. */
  leave(server: ServerEnd): void {
    this.listening.delete(server);
    this.servers.delete(server);
    if (this.servers.size === 0) this.#died();
  }
}

/** The server's end of one instance. */
export class ServerEnd implements End {
  readonly #name: Name;
  readonly #terms: Terms;
  #state: "listening" | "connected" | "closing" | "disconnected" = "listening";
  #connection: Connection;
  #listens: Operation[] = [];
  #whole: boolean;
  #client: ClientEnd | undefined;
  #tracking: Tracking = "dynamic";
  #anonymous = false;
  readonly #direction: Direction;
  /** The client that there is was there before the listen, which has made the system forget it. */
  #forgotten = false;

  constructor(name: Name, terms: Terms) {
    this.#name = name;
    this.#terms = { ...terms, messages: name.terms.messages };
    this.#whole = this.#terms.messages;
    this.#direction = terms.direction ?? "both";
    this.#connection = new Connection(this.#terms, name.ways, 0);
    name.servers.add(this);
    // A fresh instance takes clients before anything listens.
    name.listening.add(this);
  }

  get state(): string {
    return this.#state;
  }

  /** See {@linkcode Name.terms}. */
  get terms(): Terms {
    return this.#name.terms;
  }

  /** The process that created it. */
  get host(): number {
    return this.#terms.process ?? 0;
  }

  /** A client opens this instance. */
  admit(opening: Opening): ClientEnd {
    const { process = 0, tracking = "dynamic", direction = "both" } = opening;
    this.#state = "connected";
    this.#tracking = tracking;
    this.#anonymous = opening.impersonation === "anonymous";
    this.#forgotten = false;
    this.#name.listening.delete(this);
    this.#connection = new Connection(this.#terms, this.#name.ways, process);
    const client = new ClientEnd(this, direction, this.#connection, (connection) => {
      // From here on the instance takes no client until it is disconnected and listens again.
      if (this.#connection === connection && this.#state === "connected") this.#state = "closing";
    });
    this.#client = client;
    // One client completes every listen.
    for (const listen of this.#listens.splice(0)) listen.finish(Status.SUCCESS);
    return client;
  }

  /** The process of the client that there is, even if it has left; else 0. */
  get process(): number {
    const connected = this.#state === "connected" || this.#state === "closing";
    return connected ? this.#connection.process : 0;
  }

  /** The process that wrote the message that was just read, or why the system cannot tell. */
  get writer(): { readonly status: number; readonly process: number } {
    const { process } = this;
    if (this.#anonymous) return { status: Status.ANONYMOUS, process };
    const forgotten = this.#tracking === "static" && this.#forgotten;
    return { status: forgotten ? Status.CANNOT_IMPERSONATE : Status.SUCCESS, process };
  }

  /** Whether its client can never be identified, if it listens now. */
  get forgets(): boolean {
    return this.#tracking === "static" && this.#state === "connected";
  }

  /** The other end of the connection that there is, or was last. */
  get client(): ClientEnd | undefined {
    return this.#client;
  }

  listen(operation: Operation): void {
    // Whatever becomes of the listen.
    this.#forgotten = true;
    // The outcomes of a listen. One that pends completes with SUCCESS, whatever its client did
    // since.
    if (this.#state === "connected") return operation.finish(Status.ALREADY_CONNECTED);
    if (this.#state === "closing") return operation.finish(Status.NO_DATA);
    if (this.#state === "disconnected") {
      this.#state = "listening";
      // Re-listening goes to the end of the line.
      this.#name.listening.add(this);
    }
    operation.withdraw = () => {
      this.#listens = this.#listens.filter((other) => other !== operation);
    };
    this.#listens.push(operation);
  }

  read(operation: Operation, size: number): void {
    if (this.#direction === "write") return operation.finish(Status.ACCESS_DENIED);
    if (this.#state === "listening") return operation.finish(Status.LISTENING);
    if (this.#state === "disconnected") return operation.finish(Status.DISCONNECTED);
    // What a client that has gone wrote is still there.
    this.#connection.toServer.read(operation, size, this.#whole);
  }

  write(operation: Operation, bytes: Uint8Array): void {
    if (this.#direction === "read") return operation.finish(Status.ACCESS_DENIED);
    if (this.#state === "listening") return operation.finish(Status.LISTENING);
    if (this.#state === "disconnected") return operation.finish(Status.DISCONNECTED);
    this.#connection.toClient.write(operation, bytes);
  }

  writeInPart(bytes: Uint8Array): void {
    this.#connection.toClient.writeInPart(bytes);
  }

  takesPart(bytes: Uint8Array): boolean {
    return this.#connection.toClient.takesPart(bytes);
  }

  peek(): Peeked {
    if (this.#direction === "write") return { status: Status.ACCESS_DENIED, left: 0 };
    if (this.#state === "listening" || this.#state === "disconnected") {
      return { status: Status.BAD_PIPE, left: 0 };
    }
    return this.#connection.toServer.peek();
  }

  keepMessages(on: boolean): number {
    if (on && !this.#terms.messages) return Status.INVALID_PARAMETER;
    this.#whole = on;
    return Status.SUCCESS;
  }

  disconnect(): number {
    // A second time.
    if (this.#state === "disconnected") return Status.DISCONNECTED;
    const listening = this.#state === "listening";
    this.#state = "disconnected";
    this.#name.listening.delete(this);
    // A listen that pends ends with 233, so says ReactOS; Wine refuses with 536.
    if (listening) this.#endListens(Status.DISCONNECTED);
    else this.#connection.disconnect();
    return Status.SUCCESS;
  }

  close(): void {
    this.#name.leave(this);
    // Nobody should care about the status.
    this.#endListens(Status.BROKEN);
    if (this.#state !== "disconnected") this.#connection.closeServer();
  }

  #endListens(status: number): void {
    for (const listen of this.#listens.splice(0)) listen.finish(status);
  }
}

/** The client's end of a connection. */
export class ClientEnd implements End {
  readonly terms: Terms;
  readonly host: number;
  readonly #direction: Direction | "none";
  readonly #connection: Connection;
  readonly #closed: (connection: Connection) => void;
  /** A client begins in byte read mode. */
  #whole = false;

  constructor(
    server: ServerEnd,
    direction: Direction | "none",
    connection: Connection,
    closed: (connection: Connection) => void,
  ) {
    this.terms = server.terms;
    this.host = server.host;
    this.#direction = direction;
    this.#connection = connection;
    this.#closed = closed;
  }

  /** Whether it was opened to read, or to write. */
  #can(use: "read" | "write"): boolean {
    return this.#direction === "both" || this.#direction === use;
  }

  /** A client's end does not listen. */
  listen(operation: Operation): void {
    operation.finish(Code.INVALID_FUNCTION);
  }

  read(operation: Operation, size: number): void {
    if (!this.#can("read")) return operation.finish(Status.ACCESS_DENIED);
    this.#connection.toClient.read(operation, size, this.#whole);
  }

  write(operation: Operation, bytes: Uint8Array): void {
    if (!this.#can("write")) return operation.finish(Status.ACCESS_DENIED);
    this.#connection.toServer.write(operation, bytes);
  }

  writeInPart(bytes: Uint8Array): void {
    this.#connection.toServer.writeInPart(bytes);
  }

  takesPart(bytes: Uint8Array): boolean {
    return this.#connection.toServer.takesPart(bytes);
  }

  peek(): Peeked {
    if (!this.#can("read")) return { status: Status.ACCESS_DENIED, left: 0 };
    return this.#connection.toClient.peek();
  }

  /** Message read mode is not for a byte pipe. */
  keepMessages(on: boolean): number {
    if (on && !this.terms.messages) return Status.INVALID_PARAMETER;
    this.#whole = on;
    return Status.SUCCESS;
  }

  disconnect(): number {
    return Code.INVALID_FUNCTION;
  }

  close(): void {
    this.#closed(this.#connection);
    this.#connection.closeClient();
  }
}
