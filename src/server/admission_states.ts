/**
 * Whether a client is served: `(state, event) -> next state and commands`, from the client's connect
 * to the beginning of its session, or to the end of the connection.
 *
 * | state       | Windows has               | the client                                   |
 * | ----------- | ------------------------- | -------------------------------------------- |
 * | arriving    | a read, or nothing        | owes its first data, or is about to be ended |
 * | authorizing | nothing                   | is identified, and may be refused            |
 * | decided     | what is still to complete | has a session, or is left to the instance    |
 *
 * The first data of the client, the first piece of a long message, stays where it was read until the
 * program has decided. Nothing more of the client is read before that.
 *
 * @module
 */

import { type Step as StepOf, tabulate, to } from "./state_machine.ts";

/** The states. There is one object for each, so states can be compared by identity. */
export interface State {
  readonly name: "arriving" | "authorizing" | "decided";
}

/** What can happen before a client is served. */
export type Event =
  /** The read completed: a message, or the first piece of a long one. */
  | "message"
  | "partial"
  /** The read completed: the client disconnected, we cancelled it, or the data is unusable. */
  | "ended"
  | "cancelled"
  | "broken"
  /** The program admitted or refused the client. */
  | "admitted"
  | "refused"
  /** End: the program or the server does not want the client any more, or at once. */
  | "finish"
  | "evict";

/** The commands on the way. */
export type Command =
  /** Ask the program whether to admit the client. */
  | "authorize"
  /** Begin the client's session, with the data that was read. */
  | "admit"
  /** Count data that was read and is not delivered. */
  | "dropRequest"
  /** The client is not served; see the instance's events of the same names. */
  | "clientDisconnected"
  | "sessionFinished"
  | "sessionEvicted";

type Step = StepOf<State, Command>;

/** See {@linkcode State}. */
export const ARRIVING: State = { name: "arriving" };
/** See {@linkcode State}. */
export const AUTHORIZING: State = { name: "authorizing" };
/** The final state. */
export const DECIDED: State = { name: "decided" };

/** All states. */
export const STATES: readonly State[] = [ARRIVING, AUTHORIZING, DECIDED];

/** All events. */
export const EVENTS: readonly Event[] = [
  "message",
  "partial",
  "ended",
  "cancelled",
  "broken",
  "admitted",
  "refused",
  "finish",
  "evict",
];

function fromArriving(event: Event): Step | undefined {
  switch (event) {
    case "message":
    case "partial":
      return to(AUTHORIZING, "authorize");
    case "ended":
      return to(DECIDED, "clientDisconnected");
    case "cancelled":
    case "finish":
      return to(DECIDED, "sessionFinished");
    case "broken":
    case "evict":
      return to(DECIDED, "sessionEvicted");
    default:
      return undefined;
  }
}

function fromAuthorizing(event: Event): Step | undefined {
  switch (event) {
    case "admitted":
      return to(DECIDED, "admit");
    case "refused":
      return to(DECIDED, "sessionFinished");
    case "finish":
      return to(DECIDED, "dropRequest", "sessionFinished");
    case "evict":
      return to(DECIDED, "dropRequest", "sessionEvicted");
    default:
      return undefined;
  }
}

/** What was still in flight completes and is discarded. */
function fromDecided(event: Event): Step | undefined {
  switch (event) {
    case "message":
    case "partial":
      return to(DECIDED, "dropRequest");
    case "ended":
    case "cancelled":
      return to(DECIDED);
    default:
      return undefined;
  }
}

function decide(state: State, event: Event): Step | undefined {
  switch (state.name) {
    case "arriving":
      return fromArriving(event);
    case "authorizing":
      return fromAuthorizing(event);
    case "decided":
      return fromDecided(event);
  }
}

const STEPS = tabulate(STATES, EVENTS, decide);

/** The step for an event; undefined where it cannot happen in that state. */
export function transition(state: State, event: Event): Step | undefined {
  return STEPS.get(state)?.get(event);
}
