/**
 * What is done with one client while it is there. A session begins with its client and is dropped
 * whole at its end.
 *
 * @module
 */

/** See the module. */
export interface Session {
  /** Whether a request of the client is being looked at or answered. */
  readonly busy: boolean;
  /** The client is there; or it came, perhaps sent something, and has disconnected. */
  begin(disconnected: boolean): void;
  /** The read completed. */
  readCompleted(): void;
  /** All that was to be written is written, or, because the client cannot be written to, never is. */
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
