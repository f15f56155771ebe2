/**
 * The client's end of a pipe.
 *
 * @module
 */

import type { Direction, Peeked } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import type { Connection } from "./connection.ts";
import { Code, type End, type Terms } from "./end.ts";
import type { Operation } from "./operation.ts";
import type { ServerEnd } from "./server_end.ts";

/** The client's end of a connection. */
export class ClientEnd implements End {
  readonly path: string;
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
    this.path = server.path;
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
