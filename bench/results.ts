/**
 * What was measured.
 *
 * @module
 */

import type { PerExchange } from "./counters.ts";
import type { Plan } from "./plan.ts";
import type { ServerName } from "./server_names.ts";
import type { Spread } from "./statistics.ts";
import type { StreamDirection } from "./stream_load.ts";

/** One server under one load. */
export interface Loaded {
  readonly server: ServerName;
  readonly clients: number;
  /** Bytes of a message. */
  readonly size: number;
  /** The fewest clients that could connect. */
  readonly connected: number;
  readonly exchangesPerSecond: Spread;
  /** Microseconds of an exchange. */
  readonly p50: Spread;
  readonly p99: Spread;
  /** The slowest client over the fastest. */
  readonly fairness: Spread;
  /** The fewest exchanges of a client in a round. */
  readonly least: number;
  /** Processor time of the server, and of the load, in microseconds for each exchange. */
  readonly serverProcessor: Spread;
  readonly loadProcessor: Spread;
  /** Clients that had no reply or a wrong one, and the first reason. */
  readonly failures: number;
  readonly failure?: string | undefined;
}

/** A server of this module over another server, in the same rounds. */
export interface Compared {
  readonly of: ServerName;
  readonly to: ServerName;
  readonly clients: number;
  readonly size: number;
  readonly exchangesPerSecond: Spread;
}

/** Servers side by side. */
export interface SideBySide {
  readonly loaded: readonly Loaded[];
  readonly compared: readonly Compared[];
}

/** What is counted, not timed. */
export interface CountedRow {
  readonly server: ServerName;
  readonly clients: number;
  readonly size: number;
  readonly perExchange: PerExchange;
}

/** A server at rest. */
export interface IdleRow {
  readonly server: ServerName;
  /** Clients that are connected and silent. */
  readonly clients: number;
  /** Processor time in milliseconds, and how long it was measured. */
  readonly processorMs: number;
  readonly ofMs: number;
}

/** Memory of a server, in bytes. */
export interface MemoryRow {
  readonly server: ServerName;
  readonly empty: number;
  readonly filled: readonly {
    readonly clients: number;
    readonly bytes: number;
    readonly perClient: number;
  }[];
}

/** From the start of the process to the first reply, in milliseconds. */
export interface StartRow {
  readonly server: ServerName;
  readonly firstExchange: Spread;
}

/** One connection that asks now and then. */
export interface TrickleRow {
  readonly server: ServerName;
  readonly exchangesPerSecond: number;
  /** Milliseconds of processor time in each second. */
  readonly processor: Spread;
  /** This module's `serve` over it. */
  readonly ratio: Spread;
}

/** Requests of the Wine server, which stands in for the system's kernel, for each exchange. */
export interface TracedRow {
  readonly server: ServerName;
  readonly clients: number;
  readonly requests: number;
  /** The most frequent ones. */
  readonly byName: Readonly<Record<string, number>>;
}

/** One server of streams under one load. */
export interface StreamRow {
  readonly server: ServerName;
  readonly connections: number;
  /** Bytes of each write. */
  readonly chunk: number;
  readonly direction: StreamDirection;
  /** Bytes of both directions. */
  readonly bytesPerSecond: Spread;
  /** Processor time of the server, and of the load, in microseconds for each MiB. */
  readonly serverProcessor: Spread;
  readonly loadProcessor: Spread;
  /** The fewest connections that could be made. */
  readonly connected: number;
  /** Connections that failed, and the first reason. */
  readonly failures: number;
  readonly failure?: string | undefined;
}

/** One message to all clients of a server. Milliseconds after it was asked for. */
export interface PushRow {
  readonly server: ServerName;
  readonly subscribers: number;
  /** When the first client had it, and the last. */
  readonly first: Spread;
  readonly last: Spread;
}

/** A listener whose connections are silent. */
export interface SilentRow {
  readonly server: ServerName;
  readonly connections: number;
  /** Processor time in milliseconds, and how long it was measured. */
  readonly processorMs: number;
  readonly ofMs: number;
  /** Bytes of memory for each connection. */
  readonly perConnection: number;
}

/** This module's own share of an exchange, without any system. */
export interface OwnCostRow {
  readonly responder: string;
  readonly clients: number;
  readonly nanoseconds: Spread;
}

/** The same for each chunk of a stream. */
export interface TracedStreamRow {
  readonly server: ServerName;
  readonly direction: StreamDirection;
  readonly requests: number;
  /** The most frequent ones. */
  readonly byName: Readonly<Record<string, number>>;
}

/** Each part of the measurement. */
export interface Parts {
  readonly throughput: SideBySide;
  readonly counted: readonly CountedRow[];
  readonly idle: readonly IdleRow[];
  readonly memory: readonly MemoryRow[];
  readonly start: readonly StartRow[];
  readonly growth: SideBySide;
  readonly resting: { readonly few: readonly Loaded[]; readonly many: readonly Loaded[] };
  readonly trickle: readonly TrickleRow[];
  readonly large: SideBySide;
  readonly streams: readonly StreamRow[];
  /** An earlier state of this module; empty where it is not there. */
  readonly before: SideBySide;
  /** Clients that connect for each exchange. */
  readonly visits: SideBySide;
  /** Exchanges of lines. */
  readonly framed: SideBySide;
  /** Requests of protocols. */
  readonly httpGet: SideBySide;
  readonly httpPost: SideBySide;
  readonly jsonRpc: SideBySide;
  readonly pushes: readonly PushRow[];
  readonly silent: readonly SilentRow[];
  readonly ownCost: readonly OwnCostRow[];
  /** Empty where there is no Wine. */
  readonly traced: readonly TracedRow[];
  readonly tracedStreams: readonly TracedStreamRow[];
}

/** Where it was measured. */
export interface Environment {
  readonly date: string;
  /** "under Wine 10.0" or "on Windows 11". */
  readonly system: string;
  readonly processors: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** A figure that is to be reached. */
export interface GoalResult {
  readonly figure: string;
  readonly goal: string;
  readonly measured: string;
  /** The figure itself. */
  readonly value: number;
  readonly reached: boolean;
}

/** All of it. */
export interface Results extends Parts {
  readonly environment: Environment;
  readonly plan: Plan;
  readonly goals: readonly GoalResult[];
}
