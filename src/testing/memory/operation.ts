/**
 * One operation: a listen, a read or a write.
 *
 * @module
 */

import { Status } from "../../kernel/status.ts";

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
