/**
 * The life of a pipe instance, whatever is done with its clients: `(state, event) -> next state and
 * commands`. What happens while a client is there is a session, which is begun here and has a
 * machine of its own.
 *
 * | state      | Windows has               | the client                               |
 * | ---------- | ------------------------- | ---------------------------------------- |
 * | idle       | nothing                   | there is none                            |
 * | connecting | a listen                  | has not come yet                         |
 * | open       | what the session submits  | is there, or has left data to be read    |
 * | closing    | what is still to complete | has disconnected, or is being sent away  |
 * | closed     | nothing                   | there is none, and no handle             |
 *
 * With `reuse`, the client disconnected by itself, and the instance may listen again. Otherwise its
 * handle is closed, so that the client can still read what was written: disconnecting would destroy
 * it.
 *
 * The invariants of an instance:
 *
 * - At most one listen or read, and at most one write, is in flight.
 * - A handle is closed exactly once, and only when nothing is in flight on it.
 * - Whatever a client does, the instance serves the next one, or makes room for another.
 * - After "closed" nothing is in flight, and no handle is open.
 *
 * @module
 */

import { type Step, tabulate, to } from "./state_machine.ts";

/** The states; there is one object of each, so that states can be compared. */
export type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting" }
  | { readonly name: "open" }
  | { readonly name: "closing"; readonly reuse: boolean }
  | { readonly name: "closed" };

/** What can happen to an instance. */
export type Event =
  /** The server wants it to listen. */
  | "listen"
  /** The listen completed: a client is there, or came and has left, or it failed. */
  | "connected"
  | "listenFailed"
  /** The server takes no further requests. */
  | "drain"
  /** Its end is wanted: once what is queued is written, or what is being written, or at once. */
  | "finish"
  | "stop"
  | "evict"
  /** The session is over: its client disconnected; or it is to be closed, or disconnected now. */
  | "clientDisconnected"
  | "sessionFinished"
  | "sessionEvicted"
  /** A write failed, and not because the client disconnected. */
  | "writeFailed"
  /** Nothing is in flight any more. */
  | "quiet"
  /** A mistake of ours was found out while it was handled. */
  | "crashed";

/** What an instance is to do. */
export type Command =
  /** Submit a listen. */
  | "listen"
  /** Cancel the listen or read, or the write. */
  | "cancelIn"
  | "cancelOut"
  /** Begin a session with the client that has come. */
  | "beginSession"
  /** Tell the session what the server wants of it. */
  | "drainSession"
  | "finishSession"
  | "evictSession"
  /** Give up the messages that are not being written. */
  | "dropUnsent"
  /** What is being written may not take for ever: evict, again if need be, when it takes too long. */
  | "limitWrite"
  /** Disconnect the client, now: what it has not read is destroyed. */
  | "disconnect"
  /** Raise "quiet" as soon as nothing is in flight. */
  | "awaitQuiet"
  /** The connection is over. Listen again if the server wants that. */
  | "recycle"
  /** The connection is over. Close the handle, and give everything back. */
  | "close";

const IDLE: State = { name: "idle" };
const CONNECTING: State = { name: "connecting" };
const OPEN: State = { name: "open" };
const REUSING: State = { name: "closing", reuse: true };
const CLOSING: State = { name: "closing", reuse: false };
const CLOSED: State = { name: "closed" };

/** The state in which an instance begins: created, and not listening yet. */
export const INITIAL: State = IDLE;

/** The state in which an instance ends. */
export const FINAL: State = CLOSED;

/** Every state that there is. */
export const STATES: readonly State[] = [IDLE, CONNECTING, OPEN, REUSING, CLOSING, CLOSED];

/** Every event that there is. */
export const EVENTS: readonly Event[] = [
  "listen",
  "connected",
  "listenFailed",
  "drain",
  "finish",
  "stop",
  "evict",
  "clientDisconnected",
  "sessionFinished",
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

function fromConnecting(event: Event): Step<State, Command> | undefined {
  switch (event) {
    case "connected":
      return to(OPEN, "beginSession");
    case "listenFailed":
      return to(CLOSED, "close");
    case "drain":
    case "finish":
    case "stop":
    case "evict":
    case "crashed":
      return to(CLOSING, "cancelIn", "awaitQuiet");
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
    case "sessionEvicted":
    case "crashed":
      return evict();
    default:
      return undefined;
  }
}

function fromClosing(state: State, event: Event, reuse: boolean): Step<State, Command> | undefined {
  switch (event) {
    // A client that came although the listen was cancelled is closed with its instance.
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
 * The write is cancelled before the client is disconnected: the other way round, a write that pends
 * may succeed although nobody has read it.
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
      return fromConnecting(event);
    case "open":
      return fromOpen(event);
    case "closing":
      return fromClosing(state, event, state.reuse);
    case "closed":
      return fromClosed(event);
  }
}

const STEPS = tabulate(STATES, EVENTS, decide);

/** What an event leads to; undefined where it cannot happen in that state. */
export function transition(state: State, event: Event): Step<State, Command> | undefined {
  return STEPS.get(state)?.get(event);
}
