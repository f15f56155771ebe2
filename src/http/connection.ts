/**
 * One client of an HTTP server: its limits of time, and its end.
 *
 * @module
 */

import { STATUS_CODES } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { PipeDuplex } from "../node/pipe_duplex.ts";
import type { ClientInfo } from "../server/client.ts";
import type { HttpSettings } from "./options.ts";
import { TimeLimit } from "./time_limit.ts";

/** How much of a body that nobody wants is received so that the connection can be kept. */
const MAX_DISCARDED = 1_048_576;

/** See the module. */
export class HttpConnection {
  readonly duplex: PipeDuplex<ClientInfo>;
  readonly #settings: HttpSettings;
  /** Responses that are not over, and how each is refused. */
  readonly #open = new Map<ServerResponse, (status: number) => void>();
  // The server keeps the program running, and not a client that is slow.
  readonly #limit = new TimeLimit(() => this.refuse(408));
  /** Whether the next data is the beginning of a request. */
  #resting = false;
  #served = false;
  #draining = false;
  /** What may be received before the connection is closed. */
  #quota = Infinity;

  constructor(duplex: PipeDuplex<ClientInfo>, settings: HttpSettings) {
    this.duplex = duplex;
    this.#settings = settings;
    this.#limit.set(settings.headersTimeout);
    duplex.on("data", () => this.#received());
    duplex.once("close", () => this.#limit.stop());
    duplex.conn.draining.addEventListener("abort", this.#drain);
    duplex.once("close", () => duplex.conn.draining.removeEventListener("abort", this.#drain));
    if (duplex.conn.draining.aborted) this.#drain();
  }

  /** Whether the connection closes after the responses that are open. */
  get ending(): boolean {
    return [...this.#open.keys()].some(({ shouldKeepAlive }) => !shouldKeepAlive);
  }

  /**
   * The head of a request has arrived.
   *
   * @param refuse Answers the request instead of the handler.
   */
  begin(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    refuse: (status: number) => void,
  ): void {
    this.#limit.lift();
    this.#resting = false;
    this.#served = true;
    this.#open.set(outgoing, refuse);
    outgoing.strictContentLength = true;
    if (this.#draining) outgoing.shouldKeepAlive = false;
    if (!incoming.complete) {
      this.#limit.set(this.#settings.requestTimeout);
      incoming.once("end", () => this.#limit.lift());
    }
    outgoing.once("close", () => {
      this.#open.delete(outgoing);
      if (this.#open.size === 0) this.#answered(incoming);
    });
  }

  /** The connection is for another protocol from now on. */
  release(): void {
    this.#limit.lift();
    this.#resting = false;
    this.#quota = Infinity;
    this.#served = true;
    this.duplex.conn.draining.removeEventListener("abort", this.#drain);
    // A client that leaves is no reason to end the program.
    this.duplex.on("error", () => {});
  }

  /** Refuses what has arrived, and closes the connection. */
  refuse(status: number): void {
    const { duplex } = this;
    this.#limit.lift();
    this.#resting = false;
    const [[outgoing, refuse] = []] = this.#open;
    if (!duplex.writable || outgoing?.headersSent) return void duplex.destroy();
    this.#quota = 0;
    if (refuse !== undefined) return refuse(status);
    duplex.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
  }

  readonly #drain = (): void => {
    this.#draining = true;
    for (const outgoing of this.#open.keys()) outgoing.shouldKeepAlive = false;
    // The first request of a client is still served.
    if (this.#open.size === 0 && this.#served && !this.duplex.destroyed) this.duplex.end();
  };

  #answered(incoming: IncomingMessage): void {
    if (this.duplex.destroyed) return;
    if (this.#draining) return this.duplex.destroySoon();
    if (incoming.complete) this.#rest();
    else {
      this.#quota = this.duplex.bytesRead + MAX_DISCARDED;
      incoming.once("end", () => this.#open.size === 0 && this.#rest());
    }
  }

  /** Nothing is open, until the next request. The server's own timeout ends a rest. */
  #rest(): void {
    this.#limit.lift();
    this.#quota = Infinity;
    this.#resting = true;
  }

  #received(): void {
    if (this.duplex.bytesRead > this.#quota) return void this.duplex.destroySoon();
    if (!this.#resting) return;
    this.#resting = false;
    this.#limit.set(this.#settings.headersTimeout);
  }
}
