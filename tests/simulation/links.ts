/**
 * Whose connection is whose, in a history of exchanges.
 *
 * @module
 */

import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { type Counts, Kind } from "./faults.ts";
import type { Connections } from "./kernel.ts";
import type { LoopClient } from "./loop_clients.ts";
import { isClientEnd, type Model } from "./model.ts";
import type { Link, ServerRecord } from "./records.ts";

/** The history in which there are connections. */
export interface Hosting {
  readonly model: Model;
  readonly counts: Counts;
  /** A number that grows with everything that happens. */
  stamp: number;
  /** What is known of the server, if there is one. */
  readonly record: ServerRecord | undefined;
  /** Which fault of the server's kernel has touched a connection, if one has. */
  taintOf(end: ClientEnd): string | undefined;
  violate(what: string): void;
}

/** See the module. */
export class Links implements Connections {
  /** Clients of this module, by the names by which they open the pipe. */
  readonly clients = new Map<string, LoopClient>();
  /** Whether a fault has touched any connection. */
  tainted = false;
  readonly #history: Hosting;
  readonly #links = new Map<ClientEnd, Link>();

  constructor(history: Hosting) {
    this.#history = history;
  }

  join(end: ClientEnd, link: Link): void {
    this.#links.set(end, link);
    link.server = this.#history.record;
    const why = this.#history.taintOf(end);
    if (why !== undefined) this.taint(end, why);
  }

  opened(path: string, end: ClientEnd, process: number): void {
    const client = this.clients.get(path);
    const { name = "?", strict = true } = client ?? {};
    const link = this.#history.model.connected(name, strict, false, process);
    client?.joined(link);
    this.join(end, link);
  }

  taint(end: ClientEnd, why: string): void {
    this.tainted = true;
    const link = this.#links.get(end);
    if (link !== undefined) link.tainted ??= why;
  }

  unknown(end: ClientEnd): void {
    const link = this.#links.get(end);
    if (link === undefined) return;
    link.unknown = true;
    this.#history.counts.add(Kind.UNKNOWN_CLIENT);
  }

  measured(end: ClientEnd): void {
    const link = this.#links.get(end);
    if (link !== undefined) link.measured = ++this.#history.stamp;
  }

  readsOn(end: ClientEnd): void {
    const link = this.#links.get(end);
    if (link !== undefined) this.#history.model.readsOn(link);
  }

  cutShort(end: ClientEnd): void {
    const link = this.#links.get(end);
    if (link !== undefined) link.cutShort = true;
  }

  evicted(end: ClientEnd): void {
    const link = this.#links.get(end);
    if (link === undefined) return;
    const { model, record } = this.#history;
    if (record !== undefined && !model.mayEvict(link, record)) {
      this.#history.violate(`${link.owner} is thrown out, though it did nothing wrong`);
    }
    link.evicted = true;
  }

  closed(end: ClientEnd, late: boolean): void {
    const link = this.#links.get(end);
    if (link !== undefined) this.#history.model.closed(link, late);
  }

  withdrew(end: ClientEnd): void {
    const link = this.#links.get(end);
    if (link !== undefined) link.withdrew = true;
  }

  left(end: ClientEnd, told: boolean): void {
    const link = this.#links.get(end);
    if (link === undefined) return;
    // What closes after the end has not left.
    if (told && isClientEnd(end.peek().status)) link.ended = true;
    else link.left = true;
  }
}
