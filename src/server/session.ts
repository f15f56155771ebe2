/**
 * What is done with one client while it is there. A session begins with its client and is dropped
 * whole at its end.
 *
 * @module
 */

import type { ServerConnection } from "./connection.ts";
import type { Work } from "./shutdown_reports.ts";

/** See the module. */
export interface Session {
  /** Whether a request of the client is being looked at or answered. */
  readonly busy: boolean;
  /** The work that a shutdown waits for, if there is any. */
  readonly work: Work | undefined;
  /** Whether its request waits until others are answered. */
  readonly blocked: boolean;
  /** The client is there; or it came, perhaps sent something, and has disconnected. */
  begin(disconnected: boolean): void;
  /** The read completed. */
  readCompleted(): void;
  /** All that was to be written is written; or it never is, for the client cannot be written to. */
  written(): void;
  unwritten(): void;
  /** No further requests are wanted. */
  drain(): void;
  /** End: once what is queued is written, or at once. */
  finish(): void;
  evict(): void;
  /** The connection is over, and nothing is in flight. */
  end(): void;
}

/** The sessions of a server, all of one kind. */
export interface Sessions {
  /** How much work there is, that of sessions that are over included; a shutdown waits for it. */
  readonly atWork: number;
  /** How much of it cannot begin before other work is done. */
  readonly blocked: number;
  /** Makes the session of a client that has come. */
  create(connection: ServerConnection): Session;
}
