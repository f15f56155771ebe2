/**
 * The use of one client while it is connected. Each client gets a new session, which is dropped as
 * a whole at its end.
 *
 * @module
 */

import type { ServerConnection } from "./connection.ts";
import type { Work } from "./shutdown_reports.ts";

/** See the module. */
export interface Session {
  /** Whether a request of the client is being authorized or answered. */
  readonly busy: boolean;
  /** Whether the program has admitted the client, or admits every client. */
  readonly admitted: boolean;
  /** The work that a shutdown waits for, if there is any. */
  readonly work: Work | undefined;
  /** Whether its request waits until others are answered. */
  readonly blocked: boolean;
  /** The client connected; it may have disconnected since, and left requests to read. */
  begin(disconnected: boolean): void;
  /** The read completed. */
  readCompleted(): void;
  /** Windows has accepted something, and more waits to be written. */
  accepted(): void;
  /** All messages are written; or they were dropped, because a write failed. */
  written(): void;
  unwritten(): void;
  /** Take no further requests. */
  drain(): void;
  /** End: once the queued messages are written, or at once. */
  finish(): void;
  evict(): void;
  /** The connection has ended, and nothing is in flight. */
  end(): void;
}

/** The sessions of a server, all of one kind. */
export interface Sessions {
  /** How many requests are at work, those of ended sessions included; a shutdown waits for them. */
  readonly atWork: number;
  /** How many of them cannot begin before others are done. */
  readonly blocked: number;
  /** How many clients wait until the program takes them: no further instances are created then. */
  readonly backlog: number;
  /** Creates the session of a client that connected. */
  create(connection: ServerConnection): Session;
}
