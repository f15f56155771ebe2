/**
 * A message from the server to one client, and the promise of it.
 *
 * @module
 */

import { Outgoing } from "../pipe/outbox.ts";
import type { WriteQueue } from "../pipe/write_queue.ts";
import { DONE, rejected } from "./promises.ts";

/** See the module. */
export class MessageToClient extends Outgoing {
  #ended = false;
  #error: Error | undefined = undefined;
  #settle: ((error: Error | undefined) => void) | undefined = undefined;

  override end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#settle?.(error);
  }

  /** Settles when the message has ended. To be called once. Never an unhandled rejection. */
  promise(): Promise<void> {
    if (this.#ended) return this.#error === undefined ? DONE : rejected(this.#error);
    const promise = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => error === undefined ? resolve() : reject(error);
    });
    promise.catch(() => {});
    return promise;
  }
}

/** A message that is pushed to a client. */
export class Push extends MessageToClient {
  readonly #written: () => void;

  /** @param written Called when Windows has accepted it. */
  constructor(bytes: Uint8Array<ArrayBuffer>, written: () => void) {
    super(bytes, false);
    this.#written = written;
  }

  override end(error?: Error): void {
    super.end(error);
    if (error === undefined) this.#written();
  }
}

/**
 * The bytes of a message that is about to be queued. A waiting message must not be in memory that the
 * program can change.
 *
 * @param own Whether the program cannot write to its memory.
 */
export function queueable(
  queue: WriteQueue,
  message: Uint8Array<ArrayBuffer>,
  own: boolean,
): Uint8Array<ArrayBuffer> {
  return queue.empty || own ? message : message.slice();
}
