/**
 * What can go wrong, how often it does in one history, and how often it did.
 *
 * @module
 */

import type { Failing, Submission } from "../memory_kernel.ts";
import { isShortage, Status } from "../../src/kernel/status.ts";
import type { Random } from "./random.ts";

/** A code of Windows that this module has no name for. */
const UNHEARD_OF = 1117;

export const SHORTAGES = [
  Status.OUT_OF_MEMORY,
  Status.NO_SYSTEM_RESOURCES,
  Status.INVALID_USER_BUFFER,
  Status.NOT_ENOUGH_QUOTA,
] as const;

/**
 * The codes with which each call may fail, having done nothing. UNKNOWN is FALSE with the last
 * error 0. That CloseHandle fails on a handle that is open is not a fault of Windows; and what is
 * asked once, before a server listens, is for tests of its own.
 */
export const FAILURES: Readonly<Partial<Record<Failing, readonly number[]>>> = {
  create: [...SHORTAGES, Status.ACCESS_DENIED, Status.BUSY, UNHEARD_OF, Status.UNKNOWN],
  open: [...SHORTAGES, Status.BUSY, Status.NOT_FOUND, Status.ACCESS_DENIED, UNHEARD_OF],
  keepMessages: [...SHORTAGES, Status.DISCONNECTED, UNHEARD_OF, Status.UNKNOWN],
  listen: [
    Status.NOT_SUBMITTED,
    ...SHORTAGES,
    Status.BROKEN,
    Status.BUSY,
    Status.CANCELLED,
    UNHEARD_OF,
    Status.UNKNOWN,
  ],
  read: [
    Status.NOT_SUBMITTED,
    ...SHORTAGES,
    Status.BROKEN,
    Status.NO_DATA,
    Status.DISCONNECTED,
    Status.CANCELLED,
    UNHEARD_OF,
    Status.UNKNOWN,
  ],
  write: [
    Status.NOT_SUBMITTED,
    ...SHORTAGES,
    Status.BROKEN,
    Status.NO_DATA,
    Status.DISCONNECTED,
    Status.CANCELLED,
    UNHEARD_OF,
    Status.UNKNOWN,
  ],
  peek: [
    ...SHORTAGES,
    Status.BROKEN,
    Status.DISCONNECTED,
    Status.BAD_PIPE,
    UNHEARD_OF,
    Status.UNKNOWN,
  ],
  clientProcess: [UNHEARD_OF, Status.UNKNOWN],
  clientSession: [UNHEARD_OF, Status.UNKNOWN],
  openToken: [
    ...SHORTAGES,
    Status.CANNOT_IMPERSONATE,
    Status.ANONYMOUS,
    UNHEARD_OF,
    Status.UNKNOWN,
  ],
  identify: [...SHORTAGES, UNHEARD_OF, Status.UNKNOWN],
  disconnect: [Status.DISCONNECTED, UNHEARD_OF, Status.UNKNOWN],
};

/** The statuses with which an operation may end by itself. */
export const BAD_ENDS: Readonly<Record<Submission["call"], readonly number[]>> = {
  listen: [Status.CANCELLED, Status.NO_SYSTEM_RESOURCES, UNHEARD_OF],
  read: [Status.CANCELLED, Status.NO_SYSTEM_RESOURCES, UNHEARD_OF],
  write: [Status.CANCELLED, Status.NO_SYSTEM_RESOURCES, UNHEARD_OF],
};

/** The codes with which a wait may fail. */
export const WAIT_FAILURES: readonly number[] = [
  Status.INVALID_HANDLE,
  Status.INVALID_PARAMETER,
  Status.UNKNOWN,
];

/** How often each group of faults happens, as a probability each time that it can. */
export interface Rates {
  /** A call fails. */
  fails: number;
  /** An operation that pends ends badly, by itself. */
  endsBadly: number;
  /** The last error is wrong or lost. */
  lies: number;
  /** What is final is said to pend. */
  claimsPending: number;
  /** A completion is not seen at once. */
  delays: number;
  /** A cancel is not in time. */
  cancelsLate: number;
  /** Others act between a call's begin and its end. */
  intrudes: number;
  /** The wait returns for no reason. */
  wakes: number;
  /** A picture says of what is in flight that it is over. */
  blurs: number;
  /** Code within a turn takes long. */
  drags: number;
  /** A write that pends outlives what should have ended it, until it is cancelled. */
  strands: number;
  /** What the module calls throws, as a mistake of its own would. */
  crashes: number;
}

/** Nothing goes wrong. */
export function noFaults(): Rates {
  return {
    fails: 0,
    endsBadly: 0,
    lies: 0,
    claimsPending: 0,
    delays: 0,
    cancelsLate: 0,
    intrudes: 0,
    wakes: 0,
    blurs: 0,
    drags: 0,
    strands: 0,
    crashes: 0,
  };
}

/** What goes wrong in one history. */
export function someFaults(random: Random): Rates {
  const rates = noFaults();
  // Without failures the model is strict: everything must arrive.
  const rough = random.chance(0.6);
  rates.delays = random.pick([0, 0.1, 0.4, 0.8]);
  rates.intrudes = random.pick([0, 0.02, 0.1, 0.3]);
  rates.claimsPending = random.pick([0, 0.05, 0.5]);
  rates.cancelsLate = random.pick([0, 0.2, 0.6]);
  rates.wakes = random.pick([0, 0.02]);
  rates.blurs = random.pick([0, 0, 0.05]);
  rates.drags = random.pick([0, 0, 0.1, 0.6]);
  rates.strands = random.pick([0, 0.5]);
  if (rough) {
    rates.fails = random.pick([0, 0.01, 0.03, 0.1]);
    rates.endsBadly = random.pick([0, 0.004, 0.02]);
    rates.lies = random.pick([0, 0.01, 0.05]);
    rates.crashes = random.pick([0, 0, 0.1]);
  }
  return rates;
}

/** How often each kind of fault happened. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(kind: string, times: number = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + times);
  }

  addAll(others: Counts): void {
    for (const [kind, times] of others.#counts) this.add(kind, times);
  }

  get(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  get sum(): number {
    let sum = 0;
    for (const times of this.#counts.values()) sum += times;
    return sum;
  }

  get kinds(): string[] {
    return [...this.#counts.keys()];
  }
}

/** How a status is named in tables and traces. */
export function statusName(status: number): string {
  if (status === Status.UNKNOWN) return "0 after FALSE";
  if (status === Status.NOT_SUBMITTED) return "no memory of our own";
  if (status === Status.PENDING) return "pending";
  return status === Status.SUCCESS ? "done" : `${status}`;
}

/** The kinds of faults other than failing calls and bad ends. */
export const Kind = {
  IN_PART: "a write fails after a part of its message was read",
  LIE_IN_FLIGHT: "a wrong last error while the operation is in flight",
  LIE_DONE: "a wrong last error after what was done",
  LIE_FAILED: "a wrong last error after a failure",
  CLAIMS_PENDING: "what is over is said to pend",
  DELAYED: "a completion is seen late",
  REORDERED: "a completion is seen before an older one",
  BATCHED: "completions are seen together",
  DURING_SUBMISSION: "a completion is seen during a submission",
  DURING_PICTURE: "a completion is seen while a picture is taken",
  BEFORE_LISTEN: "a client is there before the listen (535)",
  FOUND: "a client is there after a listen that was cancelled",
  UNKNOWN_CLIENT: "a client comes before the listen that can never be identified",
  GONE_BEFORE_LISTEN: "a client is gone before the listen (232)",
  PARTIAL: "a read brings a part of its message (234)",
  CANCEL_LATE: "a cancel is not in time",
  CANCELLED_DATA: "a cancelled read brings data",
  STRANDED: "a write pends on after its connection's end",
  GLUE: "a writer withdraws the rest of a long message",
  KILLED: "a client is killed",
  SPURIOUS: "the wait returns for no reason",
  WAIT_LATE: "the wait begins after other things happened",
  BLURRED: "a picture says over of what is in flight",
  DRAGGED: "a turn takes long",
  TIMER_LATE: "a timer fires late",
  UNLOAD: "the program goes away",
  UNREFERENCED: "a server does not keep its program running",
  CRASHED: "the module itself throws at a completion",
} as const;

/** Every kind of fault that there is: each must happen. */
export function everyKind(): string[] {
  const kinds: string[] = Object.values(Kind);
  for (const [call, codes = []] of Object.entries(FAILURES)) {
    for (const code of codes) kinds.push(failureKind(call, code));
  }
  for (const [call, codes] of Object.entries(BAD_ENDS)) {
    for (const code of codes) kinds.push(badEndKind(call, code));
  }
  for (const code of WAIT_FAILURES) kinds.push(failureKind("wait", code));
  return kinds;
}

export function failureKind(call: string, code: number): string {
  return `${call} fails: ${statusName(code)}`;
}

export function badEndKind(call: string, code: number): string {
  return `${call} ends by itself: ${statusName(code)}`;
}

/** Calls that are made again later, or that nothing depends on. */
const WITHOUT_TRACE: readonly Failing[] = [
  "create",
  "open",
  "clientProcess",
  "clientSession",
  "openToken",
  "identify",
];

/** Whether a failure must pass without a trace, because the same call is made again later. */
export function passes(call: Failing, code: number): boolean {
  if (WITHOUT_TRACE.includes(call) || code === Status.NOT_SUBMITTED) return true;
  // Of what is written a part may have arrived.
  return isShortage(code) && call !== "disconnect" && call !== "write";
}
