/**
 * The use of one client while it is connected. Each client gets a new session, which is dropped as
 * a whole at its end.
 *
 * @module
 */

import type { ServerClient } from "./client.ts";
import type { ServerConnection } from "./connection.ts";
import type { Work } from "./shutdown_reports.ts";

/** See the module. */
export interface Session {
  /** Its client, while it is connected and, with `authorize`, admitted. */
  readonly client: ServerClient | undefined;
  /** Whether a request of the client is being authorized or answered. */
  readonly busy: boolean;
  /** The work that a shutdown waits for, if there is any. */
  readonly work: Work | undefined;
  /** Whether its request waits until others are answered. */
  readonly blocked: boolean;
  /** The client connected; it may have disconnected since, and left requests to read. */
  begin(disconnected: boolean): void;
  /** The read completed. */
  readCompleted(): void;
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
  /** What cannot be done with a client that has disconnected, or was closed. */
  readonly action: "Cannot answer" | "Cannot send to";
  /** How many requests are at work, those of ended sessions included; a shutdown waits for them. */
  readonly atWork: number;
  /** How many of them cannot begin before others are done. */
  readonly blocked: number;
  /** How many clients wait until the program takes them: no further instances are created then. */
  readonly backlog: number;
  /** Creates the session of a client that connected. */
  create(connection: ServerConnection): Session;
}
