/**
 * A name of the namespace, and the instances that serve it.
 *
 * @module
 */

import type { Ways } from "./channel.ts";
import type { Terms } from "./end.ts";
import type { ServerEnd } from "./server_end.ts";

/** What becomes of a name. */
export interface NameEvents {
  /** The last instance was closed. */
  died(): void;
  /** An instance takes a client from now on. */
  offered(): void;
}

/** One name of the namespace. */
export class Name {
  readonly terms: Terms;
  /** Every open server handle counts, connected or not. */
  readonly servers: Set<ServerEnd> = new Set();
  /** Instances that take a client, in the order in which they began to. */
  readonly listening: Set<ServerEnd> = new Set();
  readonly ways: Ways;
  /** As its first instance spells it. */
  readonly path: string;
  readonly #events: NameEvents;

  constructor(path: string, terms: Terms, ways: Ways, events: NameEvents) {
    this.path = path;
    this.terms = terms;
    this.ways = ways;
    this.#events = events;
  }

  /** An instance takes a client from now on, when those before it have one. */
  offer(server: ServerEnd): void {
    this.listening.add(server);
    this.#events.offered();
  }

  /** The name dies with the last server handle, even if clients remain. */
  leave(server: ServerEnd): void {
    this.listening.delete(server);
    this.servers.delete(server);
    if (this.servers.size === 0) this.#events.died();
  }
}
