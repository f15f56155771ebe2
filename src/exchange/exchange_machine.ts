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
  type Command,
  type Event,
  EVENTS,
  OVER,
  reading,
  type State,
  STATES,
  writing,
} from "./exchange_states.ts";

type Step = StepOf<State, Command>;

function to(state: State | undefined, ...commands: Command[]): Step {
  return toState(state ?? OVER, ...commands);
}

/** The first step of a session. */
export function begin(disconnected: boolean): Step {
  const commands: readonly Command[] = disconnected ? ["abort", "read"] : ["read"];
  return to(reading(true, false, disconnected), ...commands);
}

/** Delivers a request; the answers to a client that has disconnected are dropped. */
function deliver(disconnected: boolean): Step {
  return disconnected
    ? to(answering("none", "disconnected"), "deliver", "abort")
    : to(answering("none", "free"), "deliver");
}

/** Reads the rest of a request; of the last one, only what is already in the pipe. */
function readRest(first: boolean, disconnected: boolean, last: boolean): Step {
  const cancels = last && !first;
  return to(reading(first, true, disconnected), "readRest", ...(cancels ? CANCEL_READ : []));
}

const CANCEL_READ: readonly Command[] = ["cancelRead"];
const DROP_REQUEST: readonly Command[] = ["dropRequest"];

/** Ends the session with an exchange open: a request that was read ahead is dropped too. */
function abandon(ahead: Ahead, end: "sessionFinished" | "sessionEvicted"): Step {
  return to(OVER, "abort", "withdraw", ...(ahead === "kept" ? DROP_REQUEST : []), end);
}

/** The exchange is settled and its messages are written: continues with the next request. */
function next(ahead: Ahead, disconnected: boolean, last: boolean, ...commands: Command[]): Step {
  const state = reading(false, false, disconnected);
  switch (ahead) {
    case "reading":
      return to(state, ...commands);
    case "kept":
      return to(state, ...commands, "redeliver");
    case "none":
      return last ? to(OVER, ...commands, "sessionFinished") : to(state, ...commands, "read");
  }
}

function fromReading(
  state: State & { name: "reading" },
  event: Event,
  last: boolean,
): Step | undefined {
  const { first, rest, disconnected } = state;
  switch (event) {
    case "message":
      return deliver(disconnected);
    case "partial":
      return rest ? undefined : readRest(first, disconnected, last);
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
      return to(state, ...(first ? [] : CANCEL_READ));
    case "written":
      return disconnected ? undefined : to(state);
    case "unwritten":
      return disconnected ? undefined : to(reading(first, rest, true), "abort");
    default:
      return undefined;
  }
}

/** The read ahead and the end of the session, in a state that `withAhead` gives. */
function whileServed(
  ahead: Ahead,
  event: Event,
  withAhead: (ahead: Ahead) => State | undefined,
): Step | undefined {
  const reads = ahead === "reading";
  switch (event) {
    case "message":
    case "partial":
      return reads ? to(withAhead("kept"), "keep") : undefined;
    case "cancelled":
      return reads ? to(withAhead("none")) : undefined;
    case "drain":
      return to(withAhead(ahead), ...(reads ? CANCEL_READ : []));
    case "finish":
      return abandon(ahead, "sessionFinished");
    case "evict":
      return abandon(ahead, "sessionEvicted");
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
    case "ended":
      if (!reads) return undefined;
      return writes ? to(OVER, "abort", "withdraw", "clientDisconnected") : to(ABORTED, "abort");
    case "broken":
      if (!reads) return undefined;
      // Its earlier request may still wait for the responder, and the connection waits with it.
      return writes ? abandon(ahead, "sessionEvicted") : to(ABORTED, "abort");
    default:
      return whileServed(ahead, event, (ahead) => answering(ahead, out));
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
    case "ended":
      return reads ? to(OVER, "abort", "clientDisconnected") : undefined;
    case "broken":
      return reads ? abandon(ahead, "sessionEvicted") : undefined;
    default:
      return whileServed(ahead, event, writing);
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
