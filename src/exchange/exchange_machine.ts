/**
 * The session of one client whose requests are answered: `(state, event) -> next state and
 * commands`. `exchange_states.ts` explains the states, and has the invariants.
 *
 * @module
 */

import { type Step as StepOf, tabulate, to as toState } from "../server/state_machine.ts";
import {
  ABORTED,
  type Ahead,
  answering,
  authorizing,
  type Command,
  type Event,
  EVENTS,
  identifying,
  isAdmitted,
  isConnected,
  OVER,
  reading,
  type State,
  STATES,
  type Who,
  writing,
} from "./exchange_states.ts";

type Step = StepOf<State, Command>;

function to(state: State | undefined, ...commands: Command[]): Step {
  return toState(state ?? OVER, ...commands);
}

/** What may be known of a client that connects: not yet that it has sent anything. */
export type Arriving = Exclude<Who, "known">;

/** The first step of a session. */
export function begin(who: Arriving, disconnected: boolean): Step {
  const commands: readonly Command[] = disconnected ? ["abort", "read"] : ["read"];
  return to(reading(who, false, disconnected), ...commands);
}

/** Whether the client is identified from its first message, before more of it is read. */
function isUnidentified(who: Who): who is "unknown" | "unadmitted" {
  return who === "unknown" || who === "unadmitted";
}

/** Delivers a request; the answers to a client that has disconnected are dropped. */
function deliver(disconnected: boolean): Step {
  return disconnected
    ? to(answering("none", "disconnected"), "deliver", "abort")
    : to(answering("none", "free"), "deliver");
}

/** Reads the rest of a request; of the last one, only what is already in the pipe. */
function readRest(who: "known" | "new", disconnected: boolean, last: boolean): Step {
  const cancels = last && who === "known";
  return to(reading(who, true, disconnected), "readRest", ...(cancels ? CANCEL_READ : []));
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
      if (!isUnidentified(who)) return deliver(disconnected);
      return to(identifying(who === "unadmitted", false, disconnected), "identify");
    case "partial":
      if (rest) return undefined;
      if (!isUnidentified(who)) return readRest(who, disconnected, last);
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
      // A client that was there before the shutdown is served its first request.
      return to(state, ...(who === "known" ? CANCEL_READ : []));
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
      return rest ? readRest("new", disconnected, last) : deliver(disconnected);
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
      return state.rest ? readRest("new", state.disconnected, last) : deliver(state.disconnected);
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
