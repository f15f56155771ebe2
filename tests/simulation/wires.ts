/**
 * Whose connection is whose, in a history of connections.
 *
 * @module
 */

import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import type { Observer } from "./connection_kernel.ts";
import type { ConnectionModel } from "./connection_model.ts";
import type { ListenerRecord, TaskClock, Wire } from "./sides.ts";
import { Kind } from "./faults.ts";
import type { Connections, SimulatedKernel } from "./kernel.ts";
import type { ModuleClient } from "./module_client.ts";
import type { Program } from "./program.ts";
import type { Shape } from "./shape.ts";

/** The history in which there are connections. */
export interface Hosting {
  readonly model: ConnectionModel;
  readonly shape: Shape;
  /** The program of the listener, and another one. */
  readonly here: Program<SimulatedKernel>;
  readonly elsewhere: Program<SimulatedKernel>;
  /** What is known of the listener, even while it begins to listen. */
  readonly record: ListenerRecord | undefined;
  /** Clients of this module. */
  readonly moduleClients: readonly ModuleClient[];
}

/** See the module. What connections lose is judged by what each end receives. */
export class Wires implements Connections, Observer {
  readonly #history: Hosting;
  readonly #wires = new Map<ClientEnd, Wire>();
  /** How many clients each listener has met. */
  readonly #numbers = new Map<ListenerRecord, number>();

  constructor(history: Hosting) {
    this.#history = history;
  }

  /** A client's end is there: see {@linkcode Stage}. */
  join(
    end: ClientEnd,
    owner: string,
    process: number,
    clock: TaskClock,
    writeTimeout: number,
  ): Wire {
    const { model, record, shape, here } = this.#history;
    if (record === undefined) throw new Error("a client of nobody");
    const clocks = { server: here, client: clock };
    const id = model.wires.length;
    const wire = model.connected(id, owner, process, record, shape, clocks, writeTimeout);
    this.#wires.set(end, wire);
    const why = here.kernel?.taintOf(end);
    if (why !== undefined) this.taint(end, why);
    return wire;
  }

  opened(path: string, end: ClientEnd, process: number): void {
    const { moduleClients, here, elsewhere } = this.#history;
    for (const client of moduleClients) {
      if (client.path !== path) continue;
      const program = client.elsewhere ? elsewhere : here;
      client.joined(this.join(end, client.name, process, program, client.writeTimeout));
    }
  }

  met(end: ClientEnd): void {
    const { model, record } = this.#history;
    if (record === undefined) return;
    const number = (this.#numbers.get(record) ?? 0) + 1;
    this.#numbers.set(record, number);
    const wire = this.#wires.get(end);
    if (wire !== undefined) model.met(wire, number);
  }

  serverGone(end: ClientEnd): void {
    const wire = this.#wires.get(end);
    if (wire !== undefined) wire.server.gone = true;
  }

  taken(end: ClientEnd, bytes: number): void {
    const wire = this.#wires.get(end);
    if (wire === undefined) return;
    wire.taken += bytes;
    wire.chunk = Math.max(wire.chunk, bytes);
  }

  taint(end: ClientEnd, why: string): void {
    const wire = this.#wires.get(end);
    if (wire === undefined) return;
    wire.tainted ??= why;
    wire.crashed ||= why === Kind.CRASHED;
    for (const { in_ } of [wire.server, wire.client]) in_.broken = true;
  }

  evicted(end: ClientEnd): void {
    const wire = this.#wires.get(end);
    if (wire !== undefined) this.#history.model.evicted(wire);
  }

  left(end: ClientEnd): void {
    const wire = this.#wires.get(end);
    if (wire !== undefined) wire.client.gone = true;
  }
}
