/**
 * How a connection has ended, and what its calls get then.
 *
 * @module
 */

import type { Call } from "./calls.ts";
import type { ConnectionErrors } from "./connection_errors.ts";
import type { PipeEnded } from "./pipe_conn.ts";

/** See the module. */
export class Ending {
  readonly ended: PipeEnded;
  /** What calls get that are made from now on. */
  readonly error: Error;
  readonly #finished: boolean;
  readonly #allReceived: boolean;
  /** Why the connection has failed, until a call that receives gets it. */
  #untold: Error | undefined;

  /**
   * @param finished Whether the connection was to close once everything was written.
   * @param allReceived Whether the other end had sent its last message, and it was received.
   */
  constructor(
    errors: ConnectionErrors,
    ended: PipeEnded,
    finished: boolean,
    allReceived: boolean,
  ) {
    this.ended = ended;
    this.error = ended.reason === "peer" ? errors.ended() : errors.closed();
    this.#finished = finished;
    this.#allReceived = allReceived && ended.error === undefined;
    this.#untold = ended.error;
  }

  /** Why the calls end that are pending. */
  get cause(): Error {
    return this.ended.error ?? this.error;
  }

  /** Whether the other end has ended the connection. */
  get byPeer(): boolean {
    return this.ended.reason === "peer";
  }

  /** Settles a call that is pending. */
  settle(call: Call): void {
    if (call.receives) this.#untold = undefined;
    this.#settle(call, this.cause);
  }

  /** Settles a call that was made afterwards: the first one that receives is told of a failure. */
  settleLate(call: Call): void {
    const untold = call.receives ? this.#untold : undefined;
    if (call.receives) this.#untold = undefined;
    this.#settle(call, untold ?? this.error);
  }

  #settle(call: Call, error: Error): void {
    if (this.#isQuiet(call)) call.resolve(null);
    else call.reject(error);
  }

  /** Whether the call ends without an error. */
  #isQuiet({ kind, writes }: Call): boolean {
    const { reason } = this.ended;
    if (!writes && (this.byPeer || this.#allReceived)) return true;
    const byProgram = reason === "self" || reason === "shutdown" || reason === "stopped";
    return kind === "iterate" && byProgram || kind === "chunk" && this.#finished;
  }
}
