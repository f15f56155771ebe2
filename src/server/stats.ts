/**
 * What a server counts, and the snapshot of it that a program gets.
 *
 * @module
 */

import type { CloseReason } from "../pipe/close_reason.ts";
import { Histogram } from "./histogram.ts";

/**
 * How long requests took, in milliseconds. Percentiles are at most 1 % too long. All 0 if there were
 * none.
 */
export interface ServerLatency {
  /** How many requests, or messages of a listener, were measured. */
  readonly count: number;
  /** The average. */
  readonly mean: number;
  /** Half of them took no longer. */
  readonly p50: number;
  /** 90 % of them took no longer. */
  readonly p90: number;
  /** 99 % of them took no longer. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/**
 * The state of a server at one moment, and what it has counted since it began to listen. The record
 * does not change any more, and can be serialized as JSON.
 */
export interface ServerStats {
  /** How many instances listen for a client now. 0 before the server listens, and after its end. */
  readonly listening: number;
  /** How many clients are connected now; with `authorize`, admitted ones. */
  readonly clients: number;
  /** Clients that have connected so far; with `authorize`, and were admitted. */
  readonly accepted: number;
  /** Connections that ended because `authorize` or `maxPerProcess` refused their client. */
  readonly refused: number;
  /** All connections that have ended, refused ones included, by reason. */
  readonly ended: Readonly<Record<CloseReason, number>>;
  /** Requests that were delivered to the program. A listener has none. */
  readonly requests: number;
  /**
   * Messages for the program: requests, those included that could not be delivered any more; of a
   * listener, those that the program has received, which on a byte pipe without `framing` are chunks.
   */
  readonly messagesIn: number;
  /** Messages to clients that Windows has accepted. */
  readonly messagesOut: number;
  /** Bytes that were read, frames included, except those that arrived while a connection ended. */
  readonly bytesIn: number;
  /** Bytes that Windows has accepted, frames included. */
  readonly bytesOut: number;
  /** Exchanges that the program has taken, and that are neither settled nor aborted. */
  readonly open: number;
  /**
   * What waits for the program: requests for a responder (`concurrency`), or for the loop over
   * exchanges; connections for `accept`.
   */
  readonly waiting: number;
  /** Bytes of requests, or of messages not received yet, that count towards `maxBuffered`. */
  readonly buffered: number;
  /** Bytes of messages that clients have not read and Windows has not accepted, of all clients. */
  readonly queued: number;
  /**
   * How often a read, a write, a listen or a new instance had to wait because memory or another
   * resource was short. Attempts that failed again count again.
   */
  readonly shortages: number;
  /** When the server began to listen, in milliseconds since the epoch; undefined if it never did. */
  readonly since: number | undefined;
  /**
   * With `measure`: the times from when a request has arrived until its exchange is settled; of a
   * listener, until the program receives the message. Exchanges that are aborted do not count.
   */
  readonly latency: ServerLatency | undefined;
}

/** A record with a 0 for every reason. */
function noEnds(): Record<CloseReason, number> {
  return {
    peer: 0,
    self: 0,
    shutdown: 0,
    stopped: 0,
    unauthorized: 0,
    maxMessage: 0,
    maxQueued: 0,
    maxPerProcess: 0,
    idleTimeout: 0,
    writeTimeout: 0,
    responderTimeout: 0,
    error: 0,
  };
}

/** The transfer of one connection. */
export interface Transfer {
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What is true now; see {@linkcode ServerStats}. */
export type Present =
  & Pick<
    ServerStats,
    "listening" | "clients" | "open" | "waiting" | "buffered" | "queued" | "shortages"
  >
  & { readonly transfers: readonly Transfer[] };

const NOTHING: Present = {
  listening: 0,
  clients: 0,
  open: 0,
  waiting: 0,
  buffered: 0,
  queued: 0,
  shortages: 0,
  transfers: [],
};

/** The counters of one server. What a connection or an instance counts is added at its end. */
export class Counters {
  accepted = 0;
  requests = 0;
  messagesIn = 0;
  shortages = 0;
  since: number | undefined = undefined;
  /** Undefined unless times are measured. */
  readonly latency: Histogram | undefined;
  readonly #ended = noEnds();
  #messagesOut = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** @param measures Whether times are measured. */
  constructor(measures: boolean) {
    this.latency = measures ? new Histogram() : undefined;
  }

  /** A connection has ended. */
  ended(reason: CloseReason, { messagesOut, bytesIn, bytesOut }: Transfer): void {
    this.#ended[reason]++;
    this.#messagesOut += messagesOut;
    this.#bytesIn += bytesIn;
    this.#bytesOut += bytesOut;
  }

  /** The snapshot, of which the counters know one part, and the server the other. */
  stats({ transfers, ...present }: Present = NOTHING): ServerStats {
    const ended = Object.freeze({ ...this.#ended });
    return Object.freeze({
      listening: present.listening,
      clients: present.clients,
      accepted: this.accepted,
      refused: ended.unauthorized + ended.maxPerProcess,
      ended,
      requests: this.requests,
      messagesIn: this.messagesIn,
      messagesOut: transfers.reduce((sum, { messagesOut }) => sum + messagesOut, this.#messagesOut),
      bytesIn: transfers.reduce((sum, { bytesIn }) => sum + bytesIn, this.#bytesIn),
      bytesOut: transfers.reduce((sum, { bytesOut }) => sum + bytesOut, this.#bytesOut),
      open: present.open,
      waiting: present.waiting,
      buffered: present.buffered,
      queued: present.queued,
      shortages: this.shortages + present.shortages,
      since: this.since,
      latency: this.latency && summary(this.latency),
    });
  }
}

function summary(times: Histogram): ServerLatency {
  return Object.freeze({
    count: times.count,
    mean: times.mean,
    p50: times.percentile(50),
    p90: times.percentile(90),
    p99: times.percentile(99),
    max: times.max,
  });
}

/**
 * The snapshot of a server that has not listened yet, or never does.
 *
 * @param measures Whether times would be measured.
 */
export function unusedStats(measures: boolean): ServerStats {
  return new Counters(measures).stats();
}
