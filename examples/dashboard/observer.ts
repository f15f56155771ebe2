/**
 * Keeps what the page shows and a server does not keep: the course of the last minutes, what each
 * client has asked, and who has left.
 *
 * @module
 */

import type { CloseReason, PipeClient, PipeServer, ServerStats } from "@overlapped/named-pipe";

/** Seconds that the lines go back. */
const SAMPLES = 120;

/** Clients that are shown, and seconds with ends of connections. */
const MOST_CLIENTS = 100;
const MOST_ENDS = 50;

/** A client, as the page shows it. */
export interface ClientRow {
  readonly id: number;
  /** Undefined as long as it has sent nothing, or if Windows does not tell it. */
  readonly user: string | undefined;
  readonly processId: number | undefined;
  readonly executable: string | undefined;
  /** Milliseconds since it connected. */
  readonly age: number;
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** The clients that have left in one second, for one reason. */
export interface EndRow {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly reason: CloseReason;
  readonly count: number;
  /** The last one of them. */
  readonly client: number;
}

/** One second: exchanges, and their average latency in milliseconds if there were any. */
export interface Sample {
  readonly exchanges: number;
  readonly latency: number | undefined;
}

/** All that the page shows. */
export interface Snapshot {
  readonly path: string;
  readonly now: number;
  readonly stats: ServerStats;
  readonly samples: readonly Sample[];
  readonly clients: readonly ClientRow[];
  readonly ends: readonly EndRow[];
}

/** What a client has done. */
interface Account {
  readonly since: number;
  user: string | undefined;
  requests: number;
  bytesIn: number;
  bytesOut: number;
}

/** See the module. */
export class Observer {
  readonly #accounts = new WeakMap<PipeClient, Account>();
  readonly #samples: Sample[] = [];
  readonly #ends: EndRow[] = [];
  #last: { readonly time: number; readonly count: number; readonly sum: number } | undefined;

  /** For `onConnect`. */
  connected(client: PipeClient): void {
    const since = Date.now();
    this.#accounts.set(client, { since, user: undefined, requests: 0, bytesIn: 0, bytesOut: 0 });
  }

  /** For `onDisconnect`. */
  disconnected({ id }: PipeClient, reason: CloseReason): void {
    const time = Math.floor(Date.now() / 1_000) * 1_000;
    const same = this.#ends.findIndex((end) => end.time === time && end.reason === reason);
    const [{ count } = { count: 0 }] = same === -1 ? [] : this.#ends.splice(same, 1);
    this.#ends.unshift({ time, reason, count: count + 1, client: id });
    this.#ends.length = Math.min(this.#ends.length, MOST_ENDS);
  }

  /** A request of a client was answered. */
  answered(client: PipeClient, bytesIn: number, bytesOut: number): void {
    const account = this.#accounts.get(client);
    if (account === undefined) return;
    // Windows tells who a client is once it has sent something.
    if (account.requests === 0) {
      client.accountName().then((name) => account.user = name, () => {});
    }
    account.requests++;
    account.bytesIn += bytesIn;
    account.bytesOut += bytesOut;
  }

  /** To be called each second. */
  sample({ latency }: ServerStats): void {
    if (latency === undefined) throw new TypeError("The server must be started with `measure`");
    const { count } = latency;
    const time = performance.now();
    const sum = latency.mean * count;
    const last = this.#last ?? { time: time - 1_000, count: 0, sum: 0 };
    const exchanges = count - last.count;
    this.#samples.push({
      exchanges: Math.round(exchanges * 1_000 / (time - last.time)),
      latency: exchanges === 0 ? undefined : (sum - last.sum) / exchanges,
    });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.#last = { time, count, sum };
  }

  /** What is to be shown now. */
  snapshot(server: Pick<PipeServer, "path" | "clients" | "stats">): Snapshot {
    const now = Date.now();
    const clients = server.clients().slice(0, MOST_CLIENTS);
    return {
      path: server.path,
      now,
      stats: server.stats(),
      samples: this.#samples,
      clients: clients.map((client) => this.#row(client, now)),
      ends: this.#ends,
    };
  }

  #row(client: PipeClient, now: number): ClientRow {
    const { id, processId } = client;
    const unknown = { since: now, user: undefined, requests: 0, bytesIn: 0, bytesOut: 0 };
    const { since, ...account } = this.#accounts.get(client) ?? unknown;
    return { id, processId, executable: client.executable(), age: now - since, ...account };
  }
}
