/**
 * Where a real system has a choice. The defaults are the plain behaviour; a test, or a simulation,
 * replaces what it wants to see.
 *
 * @module
 */

import type { Handle, Lane } from "../../kernel/kernel.ts";
import type { InFlight } from "./flight.ts";

/** A submission, as a decision sees it. */
export interface Submission {
  readonly call: "listen" | "read" | "write";
  readonly handle: Handle;
  readonly slot: number;
  readonly lane: Lane;
}

/** Calls that can be made to fail. */
export type Failing =
  | Submission["call"]
  | "create"
  | "open"
  | "keepMessages"
  | "type"
  | "peek"
  | "clientProcess"
  | "clientSession"
  | "hostProcess"
  | "hostSession"
  | "executable"
  | "serverProcess"
  | "ownUser"
  | "acceptsSecurity"
  | "security"
  | "owner"
  | "openToken"
  | "identify"
  | "disconnect"
  | "close";

/** Every choice of the system. */
export interface Decisions {
  /**
   * The status with which a call fails, having done nothing; undefined: it does not. Any call may
   * be short of something.
   */
  fails: (call: Failing, handle?: Handle) => number | undefined;
  /**
   * What a submission returns, given the truth. Answering PENDING to what is already final is what
   * Windows does with partial reads; answering UNKNOWN is a lost last error.
   */
  answers: (submission: Submission, truth: number) => number;
  /** Whether a completion can be seen at once. If not, it is held until it is delivered. */
  shows: (flight: InFlight) => boolean;
  /** Whether a cancel is in time. If not, the operation goes on until its partner acts. */
  cancels: (submission: Submission) => boolean;
  /** Whether a dispatched wait enters at once; if not, `enterWait()` is needed. */
  entersWait: () => boolean;
  /** The status with which a wait fails, undefined: it does not. */
  failsWait: () => number | undefined;
}

/** The plain behaviour. */
export function plain(): Decisions {
  return {
    fails: () => undefined,
    answers: (_submission, truth) => truth,
    shows: () => true,
    cancels: () => true,
    entersWait: () => true,
    failsWait: () => undefined,
  };
}
