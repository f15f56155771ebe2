/**
 * The lifecycle of a pipe instance, whatever its clients are used for: `(state, event) -> next
 * state and commands`. While a client is connected, a session with a state machine of its own
 * decides; it begins here.
 *
 * | state      | Windows has               | the client                               |
 * | ---------- | ------------------------- | ---------------------------------------- |
 * | idle       | nothing                   | there is none                            |
 * | connecting | a listen                  | has not connected, as far as is known    |
 * | open       | what the session submits  | is connected, or has left data to read   |
 * | closing    | what is still to complete | has disconnected, or is being closed     |
 * | closed     | nothing                   | there is none, and no handle             |
 *
 * With `draining`, the server is shutting down: it has connected to the instances that listened, so
 * that no further clients can, and cancelled what still listens. A client that connected in time is
 * served all the same. However the listen has ended, Windows has to be asked whether there is one.
 *
 * With `reuse`, the client disconnected by itself, and the instance may listen again. Otherwise the
 * handle is closed, so that the client can still read what was written: disconnecting would destroy
 * that data.
 *
 * The invariants of an instance:
 *
 * - At most one listen or read, and at most one write, is in flight.
 * - A handle is closed exactly once, and only when nothing is in flight on it.
 * - Whatever a client does, the instance serves the next one, or makes room for another instance.
 * - After "closed" nothing is in flight, and no handle is open.
 *
 * @module
 */

import { type Step, tabulate, to } from "./state_machine.ts";

/** The states. There is one object for each, so states can be compared by identity. */
export type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting"; readonly draining: boolean }
  | { readonly name: "open" }
  | { readonly name: "closing"; readonly reuse: boolean }
  | { readonly name: "closed" };

/** What can happen to an instance. */
export type Event =
  /** The server asks it to listen. */
  | "listen"
  /** The listen completed: a client connected (and may have disconnected), or it failed. */
  | "connected"
  | "listenFailed"
  /** A client is there all the same, or has left data to read; or not. */
  | "clientFound"
  | "clientMissing"
  /** The server takes no further requests. */
  | "drain"
  /** End: once the queued messages are written, once the write in flight is, or at once. */
  | "finish"
  | "stop"
  | "evict"
  /**
   * The session is over: the client disconnected, or is to be closed, at once without what is being
   * written, or disconnected now.
   */
  | "clientDisconnected"
  | "sessionFinished"
  | "sessionClosed"
  | "sessionEvicted"
  /** A write failed, and not because the client disconnected. */
  | "writeFailed"
  /** Nothing is in flight any more. */
  | "quiet"
  /** A bug of ours threw while a completion was handled. */
  | "crashed";

/** The commands to an instance. */
export type Command =
  /** Submit a listen. */
  | "listen"
  /** Ask Windows whether a client is there all the same: raises "clientFound" or "clientMissing". */
  | "findClient"
  /** Cancel the listen or read, or the write. */
  | "cancelIn"
  | "cancelOut"
  /** Begin a session with the client that connected. */
  | "beginSession"
  /** Pass the server's request on to the session. */
  | "drainSession"
  | "finishSession"
  | "evictSession"
  /** Drop the messages that are not being written. */
  | "dropUnsent"
  /** Limit the time of the write in flight: evict, again if need be, when it takes too long. */
  | "limitWrite"
  /** Disconnect the client now: data that it has not read is destroyed. */
  | "disconnect"
  /** Raise "quiet" as soon as nothing is in flight. */
  | "awaitQuiet"
  /** The connection has ended. Listen again if the pool needs the instance. */
  | "recycle"
  /** The connection has ended. Close the handle, and release everything. */
  | "close";

const IDLE: State = { name: "idle" };
const CONNECTING: State = { name: "connecting", draining: false };
const DRAINING: State = { name: "connecting", draining: true };
const OPEN: State = { name: "open" };
const REUSING: State = { name: "closing", reuse: true };
const CLOSING: State = { name: "closing", reuse: false };
const CLOSED: State = { name: "closed" };

/** The initial state: created, and not listening yet. */
export const INITIAL: State = IDLE;

/** The final state. */
export const FINAL: State = CLOSED;

/** All states. */
export const STATES: readonly State[] = [
  IDLE,
  CONNECTING,
  DRAINING,
  OPEN,
  REUSING,
  CLOSING,
  CLOSED,
];

/** All events. */
export const EVENTS: readonly Event[] = [
  "listen",
  "connected",
  "listenFailed",
  "clientFound",
  "clientMissing",
  "drain",
  "finish",
  "stop",
  "evict",
  "clientDisconnected",
  "sessionFinished",
  "sessionClosed",
  "sessionEvicted",
  "writeFailed",
  "quiet",
  "crashed",
];

function fromIdle(event: Event): Step<State, Command> | undefined {
  switch (event) {
    case "listen":
      return to(CONNECTING, "listen");
    case "drain":
    case "finish":
    case "stop":
    case "evict":
    case "crashed":
      return to(CLOSED, "close");
    default:
      return undefined;
  }
}

function fromConnecting(event: Event, draining: boolean): Step<State, Command> | undefined {
  switch (event) {
    case "connected":
      return draining ? to(DRAINING, "findClient") : to(OPEN, "beginSession");
    case "listenFailed":
      return draining ? to(DRAINING, "findClient") : to(CLOSED, "close");
    case "clientFound":
      return draining ? to(OPEN, "beginSession") : undefined;
    case "clientMissing":
      return draining ? to(CLOSED, "close") : undefined;
    case "drain":
      return draining ? undefined : to(DRAINING, "cancelIn");
    case "finish":
    case "stop":
      return to(CLOSING, "cancelIn", "awaitQuiet");
    case "evict":
    case "crashed":
      // The cancel may be of no effect.
      return draining ? evict() : to(CLOSING, "cancelIn", "awaitQuiet");
    default:
      return undefined;
  }
}

function fromOpen(event: Event): Step<State, Command> | undefined {
  switch (event) {
    case "drain":
      return to(OPEN, "drainSession");
    case "finish":
      return to(OPEN, "finishSession");
    case "stop":
      return to(OPEN, "dropUnsent", "finishSession");
    case "evict":
    case "writeFailed":
      return to(OPEN, "evictSession");
    case "clientDisconnected":
      return to(REUSING, "dropUnsent", "cancelOut", "limitWrite", "awaitQuiet");
    case "sessionFinished":
      return to(CLOSING, "cancelIn", "limitWrite", "awaitQuiet");
    case "sessionClosed":
      return to(CLOSING, "dropUnsent", "cancelOut", "cancelIn", "limitWrite", "awaitQuiet");
    case "sessionEvicted":
    case "crashed":
      return evict();
    default:
      return undefined;
  }
}

function fromClosing(state: State, event: Event, reuse: boolean): Step<State, Command> | undefined {
  switch (event) {
    // A client that connected although its server has stopped is closed with its instance.
    case "connected":
    case "listenFailed":
      return reuse ? undefined : to(state);
    case "drain":
    case "finish":
    case "writeFailed":
      return to(state);
    case "stop":
      return to(state, "dropUnsent");
    case "evict":
    case "crashed":
      return evict();
    case "quiet":
      return reuse ? to(IDLE, "recycle") : to(CLOSED, "close");
    default:
      return undefined;
  }
}

/**
 * The write is cancelled before the client is disconnected: the other way round, a pending write
 * may succeed although its message was never read.
 */
function evict(): Step<State, Command> {
  return to(
    CLOSING,
    "dropUnsent",
    "cancelOut",
    "disconnect",
    "cancelIn",
    "limitWrite",
    "awaitQuiet",
  );
}

function fromClosed(event: Event): Step<State, Command> | undefined {
  switch (event) {
    case "drain":
    case "finish":
    case "stop":
    case "evict":
    case "writeFailed":
    case "crashed":
      return to(CLOSED);
    default:
      return undefined;
  }
}

function decide(state: State, event: Event): Step<State, Command> | undefined {
  switch (state.name) {
    case "idle":
      return fromIdle(event);
    case "connecting":
      return fromConnecting(event, state.draining);
    case "open":
      return fromOpen(event);
    case "closing":
      return fromClosing(state, event, state.reuse);
    case "closed":
      return fromClosed(event);
  }
}

const STEPS = tabulate(STATES, EVENTS, decide);

/** The step for an event; undefined where it cannot happen in that state. */
export function transition(state: State, event: Event): Step<State, Command> | undefined {
  return STEPS.get(state)?.get(event);
}
