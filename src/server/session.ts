/**
 * The use of one client while it is connected. Each client gets a new session, which is dropped as
 * a whole at its end.
 *
 * @module
 */

import type { CloseReason } from "../pipe/close_reason.ts";
import type { ServerClient } from "./client.ts";
import type { ServerConnection } from "./connection.ts";
import type { Work } from "./shutdown_reports.ts";

/** See the module. */
export interface Session {
  /** Its client, while it is connected and admitted. */
  readonly client: ServerClient | undefined;
  /** Whether the client is being authorized, or a request of it answered. */
  readonly busy: boolean;
  /** The work that a shutdown waits for, if there is any. */
  readonly work: Work | undefined;
  /**
   * What the program has of the client: an exchange that is open, or a request or connection that
   * waits for the program.
   */
  readonly stage: "open" | "waiting" | undefined;
  /** Bytes of messages to the client that Windows has not accepted. */
  readonly queued: number;
  /** Whether its request waits until others are answered. */
  readonly blocked: boolean;
  /** Whether nothing is read any more but what is already in the pipe. */
  readonly lastOnly: boolean;
  /** The client connected; it may have disconnected since, and left requests to read. */
  begin(disconnected: boolean): void;
  /** The read completed. */
  readCompleted(): void;
  /** A read that waited for room in the budget is submitted. */
  readResumed(): void;
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
  /** Whether they answer requests; otherwise, clients are given to the program as connections. */
  readonly answers: boolean;
  /** Whether the program may keep what leads to a client: exchanges of a loop, or connections. */
  readonly showsClients: boolean;
  /** What cannot be done with a client that has disconnected, or was closed. */
  readonly action: "Cannot answer" | "Cannot send to";
  /** How many requests are at work, those of ended sessions included; a shutdown waits for them. */
  readonly atWork: number;
  /** How many of them cannot begin before others are done. */
  readonly blocked: number;
  /** How many clients wait until the program takes them: no further instances are created then. */
  readonly backlog: number;
  /** Why no client gets a session any more, once none does. */
  readonly closed: CloseReason | undefined;
  /** Creates the session of a client that is to be served. */
  create(connection: ServerConnection): Session;
}
