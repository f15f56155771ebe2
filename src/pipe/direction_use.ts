/**
 * How one direction of a connection is used: the first way holds.
 *
 * @module
 */

import type { ConnectionErrors } from "./connection_errors.ts";

/** The ways to use a direction. */
export type Use = "messages" | "bytes" | "stream";

const WAYS = {
  messages: "messages",
  bytes: "read() or write()",
  stream: "a stream",
} as const;

/** See the module. */
export class DirectionUse {
  readonly #errors: ConnectionErrors;
  readonly #open: boolean;
  readonly #noMessages: boolean;
  #use: Use | undefined = undefined;

  /**
   * @param open Whether the pipe is open in this direction.
   * @param noMessages Whether it has no messages.
   */
  constructor(errors: ConnectionErrors, open: boolean, noMessages: boolean) {
    this.#errors = errors;
    this.#open = open;
    this.#noMessages = noMessages;
  }

  /** @throws {TypeError} If the pipe is not open in this direction. */
  open(): void {
    if (!this.#open) throw this.#errors.misuse("it is open in the other direction only");
  }

  /**
   * Uses the direction in this way.
   *
   * @throws {TypeError} If it is used in another way, or cannot be used so.
   */
  begin(use: Use): void {
    this.open();
    if (use === "messages" && this.#noMessages) {
      throw this.#errors.misuse("it is a byte pipe: give `framing`, or use its streams");
    }
    this.#use ??= use;
    if (this.#use === use) return;
    throw this.#errors.misuse(`this direction is used by ${WAYS[this.#use]} already`);
  }
}
