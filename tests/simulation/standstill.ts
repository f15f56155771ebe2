/**
 * When nothing happens any more but what time brings, nobody may wait for what there is.
 *
 * @module
 */

import type { Causes } from "./causes.ts";
import { describe } from "./messages.ts";
import type { Side, Surroundings, Wire } from "./sides.ts";

/** See the module. */
export class Standstill {
  readonly #around: Surroundings;
  readonly #wires: readonly Wire[];
  readonly #causes: Causes;

  constructor(around: Surroundings, wires: readonly Wire[], causes: Causes) {
    this.#around = around;
    this.#wires = wires;
    this.#causes = causes;
  }

  /** Complains of whoever waits for nothing. */
  check(): void {
    for (const wire of this.#wires) {
      this.#isLetGo(wire);
      for (const side of [wire.server, wire.client]) this.#stands(side);
    }
  }

  /** Of what has ended, nothing is left. */
  #isLetGo(wire: Wire): void {
    const { listener, peer, accepted, told, verdict } = wire;
    for (const side of [wire.server, wire.client]) {
      const { gone, lost, out } = side;
      const written = out.awaited === undefined && out.open.every(({ loose }) => loose);
      const touched = wire.tainted !== undefined || wire.faulty;
      if (side.graceful && written && !gone && !lost && !touched) {
        this.#violate(`${side.name} has nothing to write, and does not end`);
      }
    }
    const unseen = peer !== undefined && !accepted && told.length === 0 && !wire.crashed;
    if (unseen && listener.closedAt !== undefined && !listener.failed && verdict !== "asked") {
      this.#violate(`${wire.id} was never accepted, and is not let go of`);
    }
  }

  /** Whoever waits gets what there is, and who sends is released when the other end reads. */
  #stands(side: Side): void {
    const { wire, in_, other } = side;
    if (wire.tainted || wire.faulty || wire.evicted || side.gone || side.lost) return;
    if (side.over !== undefined || side.sawEnd) return;
    const own = this.#causes.of(side).some((reason) => reason !== "peer");
    if (own || this.#causes.of(other).some((reason) => reason !== "peer")) return;
    if (side.waiting === 0 || this.#waitsForRoom(side)) return;
    const lost = in_.awaited;
    if (lost !== undefined) {
      this.#violate(`${side.name} waits, and does not get ${describe(lost.bytes)}`);
    }
    if (in_.finished || other.gone) this.#violate(`${side.name} waits, and does not see the end`);
    const open = in_.open.find(({ loose }) => !loose);
    if (open !== undefined && !other.gone) {
      this.#violate(`${other.name} still sends ${describe(open.bytes)}, though ${side.name} waits`);
    }
  }

  /** Whether what it is to get may wait until others have received what they have. */
  #waitsForRoom({ wire, isServer }: Side): boolean {
    // The rest of what was withdrawn may never come.
    const holds = ({ waiting, in_ }: Side) =>
      waiting === 0
        ? in_.awaited !== undefined
        : in_.sent.some(({ state }) => state === "withdrawn");
    return isServer && wire.listener.limits.maxBuffered < Infinity &&
      this.#wires.some(({ listener, server }) =>
        listener === wire.listener && !server.gone && holds(server)
      );
  }

  #violate(what: string): void {
    this.#around.violate(what);
  }
}
