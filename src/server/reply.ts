/**
 * A message from the server to one client, and the promise of it.
 *
 * @module
 */

import { Outgoing } from "../pipe/outbox.ts";
import type { WriteQueue } from "../pipe/write_queue.ts";
import { DONE, rejected } from "./promises.ts";

/** See the module. */
export class Reply extends Outgoing {
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

/**
 * Queues a message for a client, without submitting anything.
 *
 * @param last Whether the answer ends with it.
 * @param own Whether the program cannot write to its memory.
 */
export function queueReply(
  queue: WriteQueue,
  message: Uint8Array<ArrayBuffer>,
  last: boolean,
  own: boolean,
): Reply {
  // A waiting message must not be in memory that the program can change.
  const reply = new Reply(queue.empty || own ? message : message.slice(), last);
  queue.add(reply);
  return reply;
}
