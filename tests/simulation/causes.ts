/**
 * Why connections may have ended.
 *
 * @module
 */

import type { CloseReason } from "../../src/pipe/close_reason.ts";
import type { ListenerRecord, Side, Wire } from "./sides.ts";

/** Milliseconds that sums of times may be wrong. */
const EPSILON = 1e-6;

/** See the module. */
export class Causes {
  readonly #wires: readonly Wire[];

  /** @param wires All that there are by then. */
  constructor(wires: readonly Wire[]) {
    this.#wires = wires;
  }

  /** Why a connection may have ended, as its end would be told. */
  of(side: Side): CloseReason[] {
    const { wire, isServer } = side;
    const causes: CloseReason[] = [];
    const add = (may: boolean, ...reasons: CloseReason[]) => {
      if (may) causes.push(...reasons);
    };
    const touched = wire.tainted !== undefined || wire.faulty;
    add(side.other.gone || wire.evicted || touched, "peer");
    // What is lost with a disconnect may be the rest of a frame.
    add(wire.evicted, "error");
    add(side.ending || side.halfClosed && (side.in_.finished || side.deaf), "self");
    add(touched, "error", "maxMessage");
    add(this.#isCut(side), "error");
    // A shortage that prevents a write is another reason after that time.
    add(this.isUnread(side), "writeTimeout", "error");
    if (!isServer) {
      add(side.lost, "stopped", "error");
      return causes;
    }
    const { listener } = wire;
    const { limits } = listener;
    if (this.isLeftOver(wire)) causes.push(listener.closedAs ?? "self");
    add(this.shutdownTimedOut(listener), "shutdown");
    add(listener.stoppedAt !== undefined, "stopped");
    add(listener.failed, "stopped", "error");
    add(side.full, "maxQueued");
    add(this.#crowd(wire) > limits.maxPerProcess, "maxPerProcess");
    add(side.idled || side.idle + EPSILON >= limits.idleTimeout, "idleTimeout");
    return causes;
  }

  /** Nobody will accept it any more. */
  isLeftOver({ accepted, listener }: Wire): boolean {
    return !accepted && listener.closedAt !== undefined;
  }

  shutdownTimedOut({ shutDownAt, shutdownTimeout }: ListenerRecord): boolean {
    const [wire] = this.#wires;
    return shutDownAt !== undefined && wire !== undefined &&
      wire.server.now() >= shutDownAt + shutdownTimeout;
  }

  /** Whether the other end may have ended in the middle of a message. */
  #isCut({ in_, other }: Side): boolean {
    const ended = other.gone || other.ending || other.over !== undefined;
    return in_.sent.some(({ state }) => state === "failed" || state === "open" && ended);
  }

  /** Whether a message may be unread for so long. */
  isUnread(side: Side, time: number = side.writeTimeout): boolean {
    const { out, slow } = side;
    const now = side.now();
    return slow || side.halfClosedAt + time <= now ||
      out.sent.some(({ state, at }) =>
        (state === "open" || state === "failed") && at + time <= now
      );
  }

  /** The most connections that its process may have had at once. */
  #crowd({ process, listener }: Wire): number {
    return this.#wires.filter((other) => other.process === process && other.listener === listener)
      .length;
  }
}
