/**
 * One operation of a slot, from its submission to its next one.
 *
 * @module
 */

import type { Submission } from "./decisions.ts";
import type { Operation } from "./operation.ts";

/** An operation as an observer sees it. */
export interface InFlight extends Submission {
  /** How it stands or ended, whether that can be seen or not. */
  readonly operation: { readonly status: number; readonly transferred: number };
  /** The status word: PENDING until the completion can be seen. */
  readonly word: number;
  /** A cancel was asked for, and was not in time. */
  readonly cancelled: boolean;
}

/** An operation and its memory: an OVERLAPPED, and a buffer. */
export interface Flight extends InFlight {
  readonly operation: Operation;
  /** In flight until its completion was observed. */
  inFlight: boolean;
  /** The status word. A synchronous failure leaves it PENDING for ever. */
  word: number;
  readonly memory: Uint8Array;
  cancelled: boolean;
}
