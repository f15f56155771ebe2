/**
 * The session of one client whose requests are answered: `(state, event) -> next state and
 * commands`, from the client's connect to the end of the session.
 *
 * | state       | Windows has                 | the client                                         |
 * | ----------- | --------------------------- | -------------------------------------------------- |
 * | reading     | a read                      | owes a request (`rest`: the rest of a long one)    |
 * | identifying | nothing                     | has sent its first request, and is identified      |
 * | authorizing | nothing                     | is identified, and may be refused                  |
 * | answering   | a read ahead, a write, none | waits for the responder                            |
 * | writing     | a write, perhaps a read     | gets the last message of an answer                 |
 * | aborted     | nothing to read             | has disconnected, or sent unusable data; its last  |
 * |             |                             | exchange is not taken yet                          |
 * | over        | what is still to complete   | is left to the instance                            |
 *
 * `who` is what is known of the client. An `"unknown"` one is identified from its first message, or
 * the first piece of a long one; an `"unadmitted"` one is then admitted or refused as well. Nothing
 * more of it is read before that.
 * `ahead` is the state of the read that is submitted while an exchange is open: in flight
 * ("reading"), or completed, with its message kept in place until the exchange is settled ("kept").
 * `disconnected` marks a client that has disconnected while its requests may still be in the pipe:
 * they are delivered, and their answers are dropped.
 *
 * Messages that are pushed to the client are no part of this: a write of one may be in flight in any
 * state in which the client is admitted, and the messages of an exchange wait for it. So "written" and
 * "unwritten" may come where no answer is being written.
 *
 * The invariants of a session:
 *
 * - No promise settles and no memory is reused or freed while its operation is in flight.
 * - A request is delivered whole, exactly once; an incomplete one never is.
 * - The messages of an exchange go only to its client, in order, and none after it is settled.
 * - Replies are sent in the order of their requests.
 *
 * @module
 */

import { type Step as StepOf, tabulate, to as toState } from "../server/state_machine.ts";

/** What is known of the client. */
export type Who = "known" | "unknown" | "unadmitted";

/** The state of the read ahead. */
export type Ahead = "none" | "reading" | "kept";

/** The writing side of an open exchange; "disconnected": nothing can be written any more. */
export type Out = "free" | "busy" | "disconnected";

/** The states. There is one object for each, so states can be compared by identity. */
export type State =
  | {
    readonly name: "reading";
    readonly who: Who;
    readonly rest: boolean;
    readonly disconnected: boolean;
  }
  | {
    readonly name: "identifying";
    /** Whether `authorize` is called next. */
    readonly asks: boolean;
    readonly rest: boolean;
    readonly disconnected: boolean;
  }
  | { readonly name: "authorizing"; readonly rest: boolean; readonly disconnected: boolean }
  | { readonly name: "answering"; readonly ahead: Ahead; readonly out: Out }
  | { readonly name: "writing"; readonly ahead: Ahead }
  | { readonly name: "aborted" }
  | { readonly name: "over" };

/** What can happen in a session. */
export type Event =
  /** The read completed: a whole message, or the first piece of a long one. */
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
  /** The program sent a message, or the last one, or settled the exchange without one. */
  | "sent"
  | "replied"
  | "settled"
  /** The program took the aborted exchange, or is done with it. */
  | "taken"
  | "done"
  /** All messages are written, or a write failed. */
  | "written"
  | "unwritten"
  /** A turn begins, and the responder is still at work. */
  | "turnBegan"
  /** Take no further requests. */
  | "drain"
  /** End the session: once the queued messages are written, or at once. */
  | "finish"
  | "evict";

/** The commands to a session. */
export type Command =
  /** Submit an operation. */
  | "read"
  | "readRest"
  | "write"
  /** Cancel the read. */
  | "cancelRead"
  /** Identify the client, or ask the program whether to admit it. */
  | "identify"
  | "authorize"
  /** Deliver the request to the program. */
  | "deliver"
  /** Keep the result of the read, or deliver it again in the next turn. */
  | "keep"
  | "redeliver"
  /** Nothing can be sent to the client any more: abort the open exchange, and the signals. */
  | "abort"
  /** The instance is needed for another client: withdraw the exchange if it is not taken yet. */
  | "withdraw"
  /** Forget the aborted exchange. */
  | "forget"
  /** Count a request that was read and is not delivered. */
  | "dropRequest"
  /** The session is over; see the instance's events of the same names. */
  | "clientDisconnected"
  | "sessionFinished"
  | "sessionEvicted";

type Step = StepOf<State, Command>;

/** Whether the client owes a request, or the rest of one. */
export function awaitsRequest(state: State): boolean {
  return state.name === "reading";
}

/** Whether messages may be pushed to the client: the program admits it, or admits every client. */
export function isAdmitted(state: State): boolean {
  switch (state.name) {
    case "reading":
      return state.who !== "unadmitted";
    case "identifying":
      return !state.asks;
    case "authorizing":
      return false;
    default:
      return true;
  }
}

/** Whether the client is not known to have disconnected, and its connection does not end. */
export function isConnected(state: State): boolean {
  switch (state.name) {
    case "reading":
    case "identifying":
    case "authorizing":
      return !state.disconnected;
    case "answering":
      return state.out !== "disconnected";
    case "writing":
      return true;
    case "aborted":
    case "over":
      return false;
  }
}

const NO_YES = [false, true] as const;
const WHO = ["known", "unknown", "unadmitted"] as const;
const AHEAD = ["none", "reading", "kept"] as const;
const OUT = ["free", "busy", "disconnected"] as const;

const ABORTED: State = { name: "aborted" };
const OVER: State = { name: "over" };

/** The rest of a message is read only once the client is known. */
const READING = WHO.map((who) =>
  (who === "known" ? NO_YES : [false]).map((rest) =>
    NO_YES.map((disconnected): State => ({ name: "reading", who, rest, disconnected }))
  )
);
const IDENTIFYING = NO_YES.map((asks) =>
  NO_YES.map((rest) =>
    NO_YES.map((disconnected): State => ({ name: "identifying", asks, rest, disconnected }))
  )
);
const AUTHORIZING = NO_YES.map((rest) =>
  NO_YES.map((disconnected): State => ({ name: "authorizing", rest, disconnected }))
);
const ANSWERING = AHEAD.map((ahead) =>
  OUT.map((out): State => ({ name: "answering", ahead, out }))
);
const WRITING = AHEAD.map((ahead): State => ({ name: "writing", ahead }));

/** The final state. */
export const FINAL: State = OVER;

/** All states. */
export const STATES: readonly State[] = [
  ...READING.flat(2),
  ...IDENTIFYING.flat(2),
  ...AUTHORIZING.flat(),
  ...ANSWERING.flat(),
  ...WRITING,
  ABORTED,
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
  "sent",
  "replied",
  "settled",
  "taken",
  "done",
  "written",
  "unwritten",
  "turnBegan",
  "drain",
  "finish",
  "evict",
];

function to(state: State | undefined, ...commands: Command[]): Step {
  return toState(state ?? OVER, ...commands);
}

function reading(who: Who, rest: boolean, disconnected: boolean): State | undefined {
  return READING[WHO.indexOf(who)]?.[Number(rest)]?.[Number(disconnected)];
}

function identifying(asks: boolean, rest: boolean, disconnected: boolean): State | undefined {
  return IDENTIFYING[Number(asks)]?.[Number(rest)]?.[Number(disconnected)];
}

function authorizing(rest: boolean, disconnected: boolean): State | undefined {
  return AUTHORIZING[Number(rest)]?.[Number(disconnected)];
}

function answering(ahead: Ahead, out: Out): State | undefined {
  return ANSWERING[AHEAD.indexOf(ahead)]?.[OUT.indexOf(out)];
}

function writing(ahead: Ahead): State | undefined {
  return WRITING[AHEAD.indexOf(ahead)];
}

/** The first step of a session. */
export function begin(who: Who, disconnected: boolean): Step {
  const commands: readonly Command[] = disconnected ? ["abort", "read"] : ["read"];
  return to(reading(who, false, disconnected), ...commands);
}

/** Delivers a request; the answers to a client that has disconnected are dropped. */
function deliver(disconnected: boolean): Step {
  return disconnected
    ? to(answering("none", "disconnected"), "deliver", "abort")
    : to(answering("none", "free"), "deliver");
}

/** Reads the rest of a request; of the last one, only what is already in the pipe. */
function readRest(disconnected: boolean, last: boolean): Step {
  return to(reading("known", true, disconnected), "readRest", ...(last ? CANCEL_READ : []));
}

const CANCEL_READ: readonly Command[] = ["cancelRead"];
const DROP_REQUEST: readonly Command[] = ["dropRequest"];

/** Ends the session with an exchange open: a request that was read ahead is dropped too. */
function abandon(ahead: Ahead, end: "sessionFinished" | "sessionEvicted"): Step {
  return to(OVER, "abort", "withdraw", ...(ahead === "kept" ? DROP_REQUEST : []), end);
}

/** The exchange is settled and its messages are written: continues with the next request. */
function next(ahead: Ahead, disconnected: boolean, last: boolean, ...commands: Command[]): Step {
  const state = reading("known", false, disconnected);
  switch (ahead) {
    case "reading":
      return to(state, ...commands);
    case "kept":
      return to(state, ...commands, "redeliver");
    case "none":
      return last ? to(OVER, ...commands, "sessionFinished") : to(state, ...commands, "read");
  }
}

/** Whether a write of a pushed message may be in flight. */
function pushes(state: State): boolean {
  return isAdmitted(state) && isConnected(state);
}

function fromReading(
  state: State & { name: "reading" },
  event: Event,
  last: boolean,
): Step | undefined {
  const { who, rest, disconnected } = state;
  switch (event) {
    case "message":
      if (who === "known") return deliver(disconnected);
      return to(identifying(who === "unadmitted", false, disconnected), "identify");
    case "partial":
      if (rest) return undefined;
      if (who === "known") return readRest(disconnected, last);
      return to(identifying(who === "unadmitted", true, disconnected), "identify");
    case "ended":
      return to(OVER, "clientDisconnected");
    case "cancelled":
    case "finish":
      return to(OVER, "sessionFinished");
    case "broken":
    case "evict":
      return to(OVER, "sessionEvicted");
    case "drain":
      return to(state, "cancelRead");
    case "written":
      return pushes(state) ? to(state) : undefined;
    case "unwritten":
      return pushes(state) ? to(reading(who, rest, true), "abort") : undefined;
    default:
      return undefined;
  }
}

function fromIdentifying(
  state: State & { name: "identifying" },
  event: Event,
  last: boolean,
): Step | undefined {
  const { asks, rest, disconnected } = state;
  switch (event) {
    case "identified":
      if (asks) return to(authorizing(rest, disconnected), "authorize");
      return rest ? readRest(disconnected, last) : deliver(disconnected);
    case "message":
    case "partial":
      // It is read again after a shortage.
      return rest === (event === "partial") ? to(state, "identify") : undefined;
    case "drain":
      return to(state);
    case "written":
      return pushes(state) ? to(state) : undefined;
    case "unwritten":
      return pushes(state) ? to(identifying(asks, rest, true), "abort") : undefined;
    case "finish":
      return to(OVER, "sessionFinished");
    case "evict":
      return to(OVER, "sessionEvicted");
    default:
      return undefined;
  }
}

function fromAuthorizing(
  state: State & { name: "authorizing" },
  event: Event,
  last: boolean,
): Step | undefined {
  switch (event) {
    case "admitted":
      return state.rest ? readRest(state.disconnected, last) : deliver(state.disconnected);
    case "refused":
      return to(OVER, "sessionFinished");
    case "drain":
      return to(state);
    case "finish":
      return to(OVER, "dropRequest", "sessionFinished");
    case "evict":
      return to(OVER, "dropRequest", "sessionEvicted");
    default:
      return undefined;
  }
}

function fromAnswering(
  { ahead, out }: State & { name: "answering" },
  event: Event,
  last: boolean,
): Step | undefined {
  const reads = ahead === "reading";
  const writes = out === "busy";
  switch (event) {
    case "sent":
      if (out === "disconnected") return undefined;
      return writes ? to(answering(ahead, out)) : to(answering(ahead, "busy"), "write");
    case "replied":
      if (out === "disconnected") return undefined;
      return writes ? to(writing(ahead)) : to(writing(ahead), "write");
    case "settled":
      if (out === "disconnected") return undefined;
      return writes ? to(writing(ahead)) : next(ahead, false, last);
    case "taken":
      return out === "disconnected" ? to(answering(ahead, out)) : undefined;
    case "done":
      return out === "disconnected" ? next(ahead, true, last, "forget") : undefined;
    case "written":
      return out === "disconnected" ? undefined : to(answering(ahead, "free"));
    case "unwritten":
      return out === "disconnected" ? undefined : to(answering(ahead, "disconnected"), "abort");
    case "turnBegan":
      if (ahead !== "none") return undefined;
      return last ? to(answering("none", out)) : to(answering("reading", out), "read");
    case "message":
    case "partial":
      return reads ? to(answering("kept", out), "keep") : undefined;
    case "ended":
      if (!reads) return undefined;
      return writes ? to(OVER, "abort", "withdraw", "clientDisconnected") : to(ABORTED, "abort");
    case "cancelled":
      return reads ? to(answering("none", out)) : undefined;
    case "broken":
      if (!reads) return undefined;
      // Its earlier request may still wait for the responder, and the connection waits with it.
      return writes ? abandon(ahead, "sessionEvicted") : to(ABORTED, "abort");
    case "drain":
      return to(answering(ahead, out), ...(reads ? CANCEL_READ : []));
    case "finish":
      return abandon(ahead, "sessionFinished");
    case "evict":
      return abandon(ahead, "sessionEvicted");
    default:
      return undefined;
  }
}

function fromWriting(
  { ahead }: State & { name: "writing" },
  event: Event,
  last: boolean,
): Step | undefined {
  const reads = ahead === "reading";
  switch (event) {
    case "written":
      return next(ahead, false, last);
    case "unwritten":
      return next(ahead, true, last, "abort");
    case "message":
    case "partial":
      return reads ? to(writing("kept"), "keep") : undefined;
    case "ended":
      return reads ? to(OVER, "abort", "clientDisconnected") : undefined;
    case "cancelled":
      return reads ? to(writing("none")) : undefined;
    case "broken":
      return reads ? abandon(ahead, "sessionEvicted") : undefined;
    case "drain":
      return to(writing(ahead), ...(reads ? CANCEL_READ : []));
    case "finish":
      return abandon(ahead, "sessionFinished");
    case "evict":
      return abandon(ahead, "sessionEvicted");
    default:
      return undefined;
  }
}

function fromAborted(event: Event): Step | undefined {
  switch (event) {
    case "taken":
    case "done":
      return to(OVER, "forget", "clientDisconnected");
    case "written":
    case "unwritten":
    case "drain":
      return to(ABORTED);
    case "finish":
    case "evict":
      return to(OVER, "withdraw", "sessionFinished");
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
    case "taken":
    case "done":
    case "written":
    case "unwritten":
    case "turnBegan":
      return to(OVER);
    default:
      return undefined;
  }
}

function decide(state: State, event: Event, last: boolean): Step | undefined {
  switch (state.name) {
    case "reading":
      return fromReading(state, event, last);
    case "identifying":
      return fromIdentifying(state, event, last);
    case "authorizing":
      return fromAuthorizing(state, event, last);
    case "answering":
      return fromAnswering(state, event, last);
    case "writing":
      return fromWriting(state, event, last);
    case "aborted":
      return fromAborted(event);
    case "over":
      return fromOver(event);
  }
}

const STEPS = tabulate(STATES, EVENTS, (state, event) => decide(state, event, false));
const LAST_STEPS = tabulate(STATES, EVENTS, (state, event) => decide(state, event, true));

/**
 * The step for an event; undefined where it cannot happen in that state.
 *
 * @param last Whether no further request is taken, because the server is shutting down.
 */
export function transition(state: State, event: Event, last: boolean): Step | undefined {
  return (last ? LAST_STEPS : STEPS).get(state)?.get(event);
}
