/**
 * What is done with a client of a listener: `(state, event) -> next state and commands`, from the
 * client's connect to the end of its connection.
 *
 * | state       | the program                                   | the client                         |
 * | ----------- | --------------------------------------------- | ---------------------------------- |
 * | unadmitted  | does not have the connection                  | owes its first data                |
 * | unknown     | has the connection                            | owes its first data                |
 * | identifying | has the connection, unless it is to admit it  | has sent data, and is identified   |
 * | authorizing | is asked whether to admit the client          | is identified                      |
 * | open        | has the connection                            | is known, as far as it can be      |
 * | over        | has a connection that has ended               | is left to the instance            |
 *
 * A client is identified from its first data, before anything else of it is read.
 *
 * @module
 */

import { type Step as StepOf, tabulate, to } from "../server/state_machine.ts";

/** The states. There is one object for each, so states can be compared by identity. */
export type State =
  | { readonly name: "unadmitted" | "unknown" | "authorizing" | "open" | "over" }
  /** With `asks`, `authorize` is called next. */
  | { readonly name: "identifying"; readonly asks: boolean };

/** What can happen in a session. */
export type Event =
  /** The read completed: a message, a chunk, or the first piece of a long message. */
  | "message"
  | "partial"
  /** The read completed: the client disconnected, we cancelled it, or the data is unusable. */
  | "ended"
  | "cancelled"
  | "broken"
  /** Windows identified the client, or reported why it cannot. */
  | "identified"
  /** The program admitted or refused the client. */
  | "admitted"
  | "refused"
  /** The connection is over: the client has closed it, this program has, or it has failed. */
  | "peerClosed"
  | "closed"
  | "failed"
  /** Accept no new clients. */
  | "drain"
  /** End the session: once the queued messages are written, or at once. */
  | "finish"
  | "evict";

/** The commands to a session. */
export type Command =
  /** Submit the first read. */
  | "read"
  /** Identify the client, or ask the program whether to admit it. */
  | "identify"
  | "authorize"
  /** Give the program the connection. */
  | "show"
  /** Pass the outcome of the read on to the connection. */
  | "pass"
  /** Count data that was read and is not delivered. */
  | "dropRequest"
  /** The session is over; see the instance's events of the same names. */
  | "clientDisconnected"
  | "sessionFinished"
  | "sessionClosed"
  | "sessionEvicted";

type Step = StepOf<State, Command>;

const UNADMITTED: State = { name: "unadmitted" };
const UNKNOWN: State = { name: "unknown" };
const IDENTIFYING: State = { name: "identifying", asks: false };
const ADMITTING: State = { name: "identifying", asks: true };
const AUTHORIZING: State = { name: "authorizing" };
const OPEN: State = { name: "open" };
const OVER: State = { name: "over" };

/** The final state. */
export const FINAL: State = OVER;

/** All states. */
export const STATES: readonly State[] = [
  UNADMITTED,
  UNKNOWN,
  IDENTIFYING,
  ADMITTING,
  AUTHORIZING,
  OPEN,
  OVER,
];

/** All events. */
export const EVENTS: readonly Event[] = [
  "message",
  "partial",
  "ended",
  "cancelled",
  "broken",
  "identified",
  "admitted",
  "refused",
  "peerClosed",
  "closed",
  "failed",
  "drain",
  "finish",
  "evict",
];

/**
 * The first step of a session.
 *
 * @param who What is known of the client, or has to be found out; or that there is one too many, which
 *   is about to be evicted.
 */
export function begin(who: "known" | "unknown" | "unadmitted" | "excess"): Step {
  if (who === "unadmitted") return to(UNADMITTED, "read");
  if (who === "excess") return to(UNADMITTED);
  return to(who === "known" ? OPEN : UNKNOWN, "show");
}

/** The client of an unadmitted connection sends its first data, or none. */
function fromUnadmitted(event: Event): Step | undefined {
  switch (event) {
    case "message":
    case "partial":
      return to(ADMITTING, "identify");
    case "ended":
      return to(OVER, "clientDisconnected");
    case "broken":
      return to(OVER, "sessionEvicted");
    case "cancelled":
      return to(OVER, "sessionFinished");
    default:
      return whileHidden(event);
  }
}

/** The program does not have the connection, and nobody needs what is still read. */
function whileHidden(event: Event): Step | undefined {
  switch (event) {
    case "drain":
    case "finish":
      return to(OVER, "sessionFinished");
    case "evict":
      return to(OVER, "sessionEvicted");
    default:
      return undefined;
  }
}

function fromUnknown(event: Event): Step | undefined {
  if (event === "message" || event === "partial") return to(IDENTIFYING, "identify");
  return whileShown(UNKNOWN, event);
}

function fromIdentifying(state: State, event: Event, asks: boolean): Step | undefined {
  switch (event) {
    case "identified":
      return asks ? to(AUTHORIZING, "authorize") : to(OPEN, "pass");
    case "message":
    case "partial":
      // It completes again after a shortage.
      return to(state, "identify");
    default:
      return asks ? whileHidden(event) : whileShown(state, event);
  }
}

function fromAuthorizing(event: Event): Step | undefined {
  switch (event) {
    case "admitted":
      return to(OPEN, "show", "pass");
    case "refused":
      return to(OVER, "sessionFinished");
    case "drain":
    case "finish":
      return to(OVER, "dropRequest", "sessionFinished");
    case "evict":
      return to(OVER, "dropRequest", "sessionEvicted");
    default:
      return undefined;
  }
}

function fromOpen(event: Event): Step | undefined {
  if (event === "message" || event === "partial") return to(OPEN, "pass");
  return whileShown(OPEN, event);
}

/** The program has the connection, which decides what its reads mean. */
function whileShown(state: State, event: Event): Step | undefined {
  switch (event) {
    case "ended":
    case "cancelled":
    case "broken":
      return to(state, "pass");
    case "peerClosed":
      return to(OVER, "clientDisconnected");
    case "closed":
      return to(OVER, "sessionClosed");
    case "failed":
    case "evict":
      return to(OVER, "sessionEvicted");
    case "finish":
      return to(OVER, "sessionFinished");
    case "drain":
      return to(state);
    default:
      return undefined;
  }
}

/** What was still in flight completes and is discarded. */
function fromOver(event: Event): Step | undefined {
  switch (event) {
    case "message":
    case "partial":
      return to(OVER, "dropRequest");
    case "ended":
    case "cancelled":
      return to(OVER);
    default:
      return undefined;
  }
}

function decide(state: State, event: Event): Step | undefined {
  switch (state.name) {
    case "unadmitted":
      return fromUnadmitted(event);
    case "unknown":
      return fromUnknown(event);
    case "identifying":
      return fromIdentifying(state, event, state.asks);
    case "authorizing":
      return fromAuthorizing(event);
    case "open":
      return fromOpen(event);
    case "over":
      return fromOver(event);
  }
}

const STEPS = tabulate(STATES, EVENTS, decide);

/** The step for an event; undefined where it cannot happen in that state. */
export function transition(state: State, event: Event): Step | undefined {
  return STEPS.get(state)?.get(event);
}
