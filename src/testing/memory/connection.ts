/**
 * A connection: two channels.
 *
 * @module
 */

import { Channel, type Ways } from "./channel.ts";
import type { Terms } from "./end.ts";

/** Both directions of a connection, and whose it is. */
export class Connection {
  readonly toServer: Channel;
  readonly toClient: Channel;

  /** `process`: that of the client. */
  constructor(terms: Terms, ways: Ways, readonly process: number) {
    this.toServer = new Channel(terms.readBufferSize, terms.messages, ways);
    this.toClient = new Channel(terms.writeBufferSize, terms.messages, ways);
  }

  closeClient(): void {
    this.toServer.closeWriter();
    this.toClient.closeReader();
  }

  closeServer(): void {
    this.toClient.closeWriter();
    this.toServer.closeReader();
  }

  disconnect(): void {
    this.toServer.disconnect();
    this.toClient.disconnect();
  }
}
