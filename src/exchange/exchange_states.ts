/**
 * The states, events and commands of the session of one client whose requests are answered, from its
 * admission to the end of the session. `exchange_machine.ts` decides.
 *
 * | state       | Windows has                 | the client                                         |
 * | ----------- | --------------------------- | -------------------------------------------------- |
 * | reading     | a read                      | owes a request (`rest`: the rest of a long one)    |
 * | answering   | a read ahead, a write, none | waits for the responder                            |
 * | writing     | a write, perhaps a read     | gets the last message of an answer                 |
 * | aborted     | nothing to read             | has disconnected, or sent unusable data; its last  |
 * |             |                             | exchange is not taken yet                          |
 * | over        | what is still to complete   | is left to the instance                            |
 *
 * With `first`, the client has not sent a whole request yet: a shutdown waits for it, and cancels only
 * the reads of other clients.
 * `ahead` is the state of the read that is submitted while an exchange is open: in flight
 * ("reading"), or completed, with its message kept in place until the exchange is settled ("kept").
 * `disconnected` marks a client that has disconnected while its requests may still be in the pipe:
 * they are delivered, and their answers are dropped.
 *
 * Messages that are pushed to the client are no part of this: a write of one may be in flight in any
 * state, and the messages of an exchange wait for it. So "written" and "unwritten" may come where no
 * answer is being written.
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

/** The state of the read ahead. */
export type Ahead = "none" | "reading" | "kept";

/** The writing side of an open exchange; "disconnected": nothing can be written any more. */
export type Out = "free" | "busy" | "disconnected";

/** The states. There is one object for each, so states can be compared by identity. */
export type State =
  | {
    readonly name: "reading";
    readonly first: boolean;
    readonly rest: boolean;
    readonly disconnected: boolean;
  }
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

/** Whether the client owes a request, or the rest of one. */
export function awaitsRequest(state: State): boolean {
  return state.name === "reading";
}

/** Whether the client is served at least once before a shutdown: it owes its first request. */
export function isFirst(state: State): boolean {
  return state.name === "reading" && state.first;
}

/** Whether the client is not known to have disconnected, and its connection does not end. */
export function isConnected(state: State): boolean {
  switch (state.name) {
    case "reading":
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
const AHEAD = ["none", "reading", "kept"] as const;
const OUT = ["free", "busy", "disconnected"] as const;

/** See {@linkcode State}. */
export const ABORTED: State = { name: "aborted" };
/** See {@linkcode State}. */
export const OVER: State = { name: "over" };

const READING = NO_YES.map((first) =>
  NO_YES.map((rest) =>
    NO_YES.map((disconnected): State => ({ name: "reading", first, rest, disconnected }))
  )
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

/** See {@linkcode State}. */
export function reading(first: boolean, rest: boolean, disconnected: boolean): State | undefined {
  return READING[Number(first)]?.[Number(rest)]?.[Number(disconnected)];
}

/** See {@linkcode State}. */
export function answering(ahead: Ahead, out: Out): State | undefined {
  return ANSWERING[AHEAD.indexOf(ahead)]?.[OUT.indexOf(out)];
}

/** See {@linkcode State}. */
export function writing(ahead: Ahead): State | undefined {
  return WRITING[AHEAD.indexOf(ahead)];
}
