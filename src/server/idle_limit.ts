/**
 * The limit of the time in which a client sends nothing.
 *
 * @module
 */

import { Deadline } from "../loop/deadlines.ts";
import type { ServerConnection } from "./connection.ts";
import { timedOut } from "./end_reasons.ts";

/** See the module. The time pauses while the server is not reading. */
export class IdleLimit {
  readonly #connection: ServerConnection;
  readonly #deadline = new Deadline(() => this.#expired());

  constructor(connection: ServerConnection) {
    this.#connection = connection;
  }

  /** The time begins, or begins again. */
  restart(): void {
    const { loop, context } = this.#connection;
    loop.deadlines.set(this.#deadline, context.settings.idleTimeout);
  }

  /** The time does not run any more. */
  lift(): void {
    this.#connection.loop.deadlines.lift(this.#deadline);
  }

  /** A completed read that the program had no time to see is not the client's fault. */
  #expired(): void {
    const { context, reader, instance } = this.#connection;
    const idle = context.settings.direction === "write" || reader.pending;
    if (idle) instance.stop("idleTimeout", timedOut(context, "idleTimeout"));
    else this.restart();
  }
}
