/**
 * What the users of connections see of their history.
 *
 * @module
 */

import type { MemorySystem } from "../memory_kernel.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import type { OpenLoop } from "../../src/loop/isolate.ts";
import type { ConnectionModel } from "./connection_model.ts";
import type { ListenerRecord, TaskClock, Wire } from "./sides.ts";
import type { Counts } from "./faults.ts";
import type { Random } from "./random.ts";
import type { Shape } from "./shape.ts";

/** See the module. */
export interface Stage {
  readonly random: Random;
  readonly system: MemorySystem;
  readonly model: ConnectionModel;
  readonly counts: Counts;
  readonly shape: Shape;
  /** The pipe's name. */
  readonly path: string;
  /** The loop of the listener's program, or of another program. */
  readonly open: OpenLoop;
  readonly openElsewhere: OpenLoop;
  /** From now on everybody tidies up, and nothing fails. */
  readonly tidying: boolean;
  /** Counts the tasks of programs. */
  readonly task: number;
  /** The listener's clock. */
  readonly now: number;
  /** A fault may have cost the listener its name. */
  readonly nameLost: boolean;
  /** Bytes of a message. */
  size(): number;
  /** A listener is about to listen. */
  hosts(listener: ListenerRecord): void;
  /**
   * A client's end is there.
   *
   * @param clock The client's clock.
   * @param writeTimeout Milliseconds that a write of the client may take.
   */
  join(
    end: ClientEnd,
    owner: string,
    process: number,
    clock: TaskClock,
    writeTimeout: number,
  ): Wire;
  /** Something that the history has to tidy up is there. */
  add(actor: Actor): void;
  /** A client has closed its end. */
  left(end: ClientEnd): void;
  /** Resolves in a later task. */
  pause(): Promise<void>;
  /** Resolves when everybody tidies up. */
  late(): Promise<void>;
  /** The user's code may end the listener, wherever it is. */
  mayEnd(probability?: number): void;
  /** Something in the user's own code went wrong, as it was meant to. */
  expected(error: unknown): boolean;
  violate(what: string): void;
  readonly tell: ((what: string) => void) | undefined;
}

/** Whoever does something in a history: an end of a connection, or a client that is to have one. */
export interface Actor {
  readonly name: string;
  /** Whether it will do nothing more. */
  readonly done: boolean;
  /** Does one thing, if there is something to do, outside of any program. */
  act(): boolean;
  /** Ends, one way or another. */
  end(): void;
}
