/**
 * The errors of a connection, at either end of a pipe.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import { Status } from "../kernel/status.ts";
import type { Fault } from "./reader.ts";

/** See the module. */
export class ConnectionErrors {
  readonly #path: string;
  readonly #of: string;

  /** @param server Whether this is the server's end of the pipe. */
  constructor(path: string, server: boolean) {
    this.#path = path;
    this.#of = server ? " a client of" : "";
  }

  /** The other end has closed the connection. */
  peer(call: string, status: number): Error {
    return systemError(this.#use, call, this.#path, status);
  }

  /** The other end has closed the connection, and everything that it sent was received. */
  ended(): Error {
    return this.peer("ReadFile", Status.BROKEN);
  }

  /** This end has closed the connection. */
  closed(): Error {
    return new Deno.errors.Interrupted(`${this.#use} "${this.#path}": it is closed`);
  }

  /** A call that this connection does not allow. */
  misuse(reason: string): TypeError {
    return new TypeError(`${this.#use} "${this.#path}": ${reason}`);
  }

  /** This direction cannot be ended alone. */
  noHalfClose(): Error {
    return new Deno.errors.NotSupported(
      `${this.#use} "${this.#path}": closeWrite() needs halfClose: "empty-message"`,
    );
  }

  /** A read failed, or what was read cannot be used. */
  read({ call, status, reason, tooLong }: Fault): Error {
    const action = `Cannot read from${this.#of}`;
    if (reason === undefined) return systemError(action, call, this.#path, status);
    const limit = tooLong ? " (maxMessage)" : "";
    return new Deno.errors.InvalidData(`${action} "${this.#path}": ${reason}${limit}`);
  }

  /** What was read is no message. */
  unframed(cause: unknown): Error {
    const reason = cause instanceof Error ? cause.message : "its framing failed";
    return new Deno.errors.InvalidData(`${this.#closed} "${this.#path}": ${reason}`, { cause });
  }

  /** A write failed. */
  write(status: number): Error {
    return systemError(`Cannot write to${this.#of}`, "WriteFile", this.#path, status);
  }

  /** The other end did not read in time. */
  unread(milliseconds: number): Error {
    return new Deno.errors.TimedOut(
      `${this.#closed} "${this.#path}": a message was not read within ${milliseconds} ms ` +
        "(writeTimeout)",
    );
  }

  /** The loop cannot continue. */
  failed(call: string, status: number): Error {
    return systemError(this.#closed, call, this.#path, status);
  }

  /** A bug in this module. */
  crash(cause: unknown): Error {
    return new Error(`${this.#closed} "${this.#path}": an internal error`, { cause });
  }

  get #use(): string {
    return `Cannot use the connection ${this.#of === "" ? "to" : `of${this.#of}`}`;
  }

  get #closed(): string {
    return `Closed the connection ${this.#of === "" ? "to" : `of${this.#of}`}`;
  }
}
