/**
 * A name of the namespace, and the instances that serve it.
 *
 * @module
 */

import type { Ways } from "./channel.ts";
import type { Terms } from "./end.ts";
import type { ServerEnd } from "./server_end.ts";

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
  readonly #died: () => void;

  constructor(path: string, terms: Terms, ways: Ways, died: () => void) {
    this.path = path;
    this.terms = terms;
    this.ways = ways;
    this.#died = died;
  }

  /** The name dies with the last server handle, even if clients remain. */
  leave(server: ServerEnd): void {
    this.listening.delete(server);
    this.servers.delete(server);
    if (this.servers.size === 0) this.#died();
  }
}
