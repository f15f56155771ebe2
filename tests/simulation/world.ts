/**
 * What clients and servers of a history see of it.
 *
 * @module
 */

import type { OpenLoop } from "../../src/loop/isolate.ts";
import type { MemorySystem } from "../memory_kernel.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import type { Counts } from "./faults.ts";
import type { Model } from "./model.ts";
import type { Link } from "./records.ts";
import type { Random } from "./random.ts";
import type { Acting } from "./scheduler.ts";

/** The world of a history. */
export interface World {
  readonly random: Random;
  readonly system: MemorySystem;
  readonly model: Model;
  readonly counts: Counts;
  /** The pipe's name. */
  readonly path: string;
  /** The most that a client may have unread, and a server. */
  readonly quotas: { readonly read: number; readonly write: number };
  /** The longest request that the server takes. */
  readonly maxMessage: number;
  /** Bytes before each message, if they are framed. */
  readonly prefix: number;
  /** A message as it is written. */
  frame(message: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>;
  /** A number that grows with everything that happens. */
  readonly stamp: number;
  /** Counts the tasks of programs. */
  readonly task: number;
  /** The server's clock. */
  readonly now: number;
  /** The loop of the server's program, or of another program. */
  readonly open: OpenLoop;
  readonly openElsewhere: OpenLoop;
  /** From now on everybody tidies up, and nothing fails. */
  readonly tidying: boolean;
  /** Bytes of a request. */
  requestSize(): number;
  /** Bytes of an answer. */
  replySize(): number;
  /** A client's end is connected to the server. */
  join(end: ClientEnd, link: Link): void;
  /** A fault may have cost the server its name. */
  readonly nameLost: boolean;
  /** The user's code may end the server, wherever it is. */
  mayEnd(probability?: number): void;
  /** The user's code takes its time. */
  work(): void;
  /** Resolves in a later task. */
  pause(): Promise<void>;
  /** Resolves when everybody tidies up. */
  late(): Promise<void>;
  /** Something in the user's own code went wrong, as it was meant to. */
  expected(error: unknown): boolean;
  /** Whether the server's kernel still has a write of these bytes. */
  writes(bytes: Uint8Array): boolean;
  violate(what: string): void;
  readonly tell: ((what: string) => void) | undefined;
}

/** A client of a history. */
export interface Client extends Acting {
  readonly name: string;
  /** The process dies, at once. */
  kill(): void;
}
