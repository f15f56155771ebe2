/**
 * The state machine of one pipe instance: what it does, and nothing of how. No I/O, no time, no
 * memory: `(state, event) -> next state and commands`, complete and computed once.
 *
 * | state       | Windows has                | the client                                         |
 * | ----------- | -------------------------- | -------------------------------------------------- |
 * | idle        | nothing                    | there is none                                      |
 * | connecting  | a listen                   | has not come yet                                   |
 * | reading     | a read                     | owes a request (`rest`: the rest of a long one)    |
 * | authorizing | nothing                    | has asked for the first time, and may be refused   |
 * | answering   | a read ahead, a write, none| waits for the responder                            |
 * | writing     | a write, perhaps a read    | gets the last message of an answer                 |
 * | ended       | nothing                    | has left, or is to; its last exchange is not taken |
 * | closing     | what is still to complete  | has left, or is being sent away                    |
 * | closed      | nothing                    | there is none, and no handle                       |
 *
 * `ahead` says what became of a read that is submitted while an exchange is open: in flight
 * ("reading"), or over, with its message kept where it is until the exchange is settled ("held").
 * `rest` in "authorizing": of the first request a piece is read, and the rest not before the client
 * is admitted.
 * `gone` marks a client that has left while requests of it may still be in the pipe: they are
 * served, and their answers go nowhere.
 *
 * The invariants of an instance, which every transition keeps:
 *
 * - I1 At most one listen or read, and at most one write, is in flight.
 * - I2 No promise settles and no memory is reused or freed while its operation is in flight.
 * - I3 A handle is closed exactly once; what is freed is not in flight.
 * - I4 A request reaches the responder whole, exactly once; an incomplete one never does.
 * - I5 Messages of an exchange go only to the client that asked, in order, none after it is settled.
 * - I6 Replies leave in the order of their requests.
 * - I7 Whatever the client does, the instance serves the next one, or makes room for another.
 * - I8 After "closed" nothing is in flight, and no handle is open.
 *
 * (I9, fairness, and I10, liveness, belong to the wait loop.)
 *
 * @module
 */

/** What became of the read that runs ahead of the answer. */
export type Ahead = "none" | "reading" | "held";

/** What the writing side of an open exchange does; "gone": the client has left. */
export type Out = "free" | "busy" | "gone";

/** The states; there is one object of each, so that states can be compared. */
export type State =
  | { readonly name: "idle" }
  | { readonly name: "connecting" }
  | { readonly name: "reading"; readonly rest: boolean; readonly gone: boolean }
  | { readonly name: "authorizing"; readonly rest: boolean; readonly gone: boolean }
  | { readonly name: "answering"; readonly ahead: Ahead; readonly out: Out }
  | { readonly name: "writing"; readonly ahead: Ahead }
  | { readonly name: "ended" }
  | {
    readonly name: "closing";
    /** A listen or read is still to complete. */
    readonly reads: boolean;
    /** A write is still to complete. */
    readonly writes: boolean;
    /** Afterwards the instance may listen again: it was the client that left. */
    readonly reuse: boolean;
  }
  | { readonly name: "closed" };

/** What can happen to an instance. */
export type Event =
  /** The server wants it to listen. */
  | "listen"
  /** The listen is over: a client is there, or came and has left, or it failed. */
  | "connected"
  | "connectedGone"
  | "listenFailed"
  /** The read is over: a whole message, or the first piece of a long one. */
  | "message"
  | "partial"
  /** The same, of the first message of a client that has to be admitted. */
  | "introduction"
  | "partialIntroduction"
  /** The program lets the client in, or does not. */
  | "admitted"
  | "refused"
  /** The read is over: the client has left, we cancelled it, or what came cannot be used. */
  | "ended"
  | "cancelled"
  | "broken"
  /** The exchange was given a message, or its last one, or is settled without one. */
  | "sent"
  | "replied"
  | "settled"
  /** All that was to be written is written, or it cannot be. */
  | "written"
  | "unwritten"
  /** A turn begins, and the responder is still at work. */
  | "turned"
  /** No further requests are wanted. */
  | "drain"
  /** End the connection: once what is being written is written, or at once. */
  | "finish"
  | "evict";

/** What an instance is to do. */
export type Command =
  /** Submit. */
  | "listen"
  | "read"
  | "readRest"
  | "write"
  /** Cancel the listen or read, or the write. */
  | "cancelIn"
  | "cancelOut"
  /** A client has come. */
  | "welcome"
  /** Ask the program whether to let the client in. */
  | "authorize"
  /** Give the request to the server. */
  | "hand"
  /** Keep the read's result, or let it come again in the next turn. */
  | "hold"
  | "unhold"
  /** The client cannot be answered any more: settle the open exchange, abort the signals. */
  | "lose"
  /** Throw the client out, now. */
  | "disconnect"
  /** The connection is over. The instance listens again if the server wants that, or closes. */
  | "recycle"
  /** The connection is over. Close the handle, and give up everything. */
  | "retire";

/** What an event leads to. */
export interface Step {
  readonly state: State;
  readonly commands: readonly Command[];
}

const IDLE: State = { name: "idle" };
const CONNECTING: State = { name: "connecting" };
const ENDED: State = { name: "ended" };
const CLOSED: State = { name: "closed" };

const NO_YES = [false, true] as const;
const AHEAD = ["none", "reading", "held"] as const;
const OUT = ["free", "busy", "gone"] as const;

const READING = NO_YES.map((rest) =>
  NO_YES.map((gone): State => ({ name: "reading", rest, gone }))
);
const AUTHORIZING = NO_YES.map((rest) =>
  NO_YES.map((gone): State => ({ name: "authorizing", rest, gone }))
);
const ANSWERING = AHEAD.map((ahead) =>
  OUT.map((out): State => ({ name: "answering", ahead, out }))
);
const WRITING = AHEAD.map((ahead): State => ({ name: "writing", ahead }));
const CLOSING = NO_YES.map((reads) =>
  NO_YES.map((writes) => NO_YES.map((reuse): State => ({ name: "closing", reads, writes, reuse })))
);

/** The state in which an instance begins: created, and not listening yet. */
export const INITIAL: State = IDLE;

/** The state in which an instance ends. */
export const FINAL: State = CLOSED;

/** Something is left to complete; and of a client that has left, that is never a read. */
function canBeClosing(state: State): boolean {
  return state.name === "closing" && (state.reads ? !state.reuse : state.writes);
}

/** Every state that there is. */
export const STATES: readonly State[] = [
  IDLE,
  CONNECTING,
  ...READING.flat(),
  ...AUTHORIZING.flat(),
  ...ANSWERING.flat(),
  ...WRITING,
  ENDED,
  ...CLOSING.flat(2).filter(canBeClosing),
  CLOSED,
];

/** Every event that there is. */
export const EVENTS: readonly Event[] = [
  "listen",
  "connected",
  "connectedGone",
  "listenFailed",
  "message",
  "partial",
  "introduction",
  "partialIntroduction",
  "admitted",
  "refused",
  "ended",
  "cancelled",
  "broken",
  "sent",
  "replied",
  "settled",
  "written",
  "unwritten",
  "turned",
  "drain",
  "finish",
  "evict",
];

function pick(states: readonly State[] | undefined, index: number): State {
  return states?.[index] ?? CLOSED;
}

function reading(rest: boolean, gone: boolean): State {
  return pick(READING[Number(rest)], Number(gone));
}

function authorizing(rest: boolean, gone: boolean): State {
  return pick(AUTHORIZING[Number(rest)], Number(gone));
}

function answering(ahead: Ahead, out: Out): State {
  return pick(ANSWERING[AHEAD.indexOf(ahead)], OUT.indexOf(out));
}

function writing(ahead: Ahead): State {
  return pick(WRITING, AHEAD.indexOf(ahead));
}

function closing(reads: boolean, writes: boolean, reuse: boolean): State {
  return pick(CLOSING[Number(reads)]?.[Number(writes)], Number(reuse));
}

function to(state: State, ...commands: Command[]): Step {
  return { state, commands };
}

/** Waits for what is still in flight, if anything is, and is then recycled or retired. */
function close(reads: boolean, writes: boolean, reuse: boolean, ...commands: Command[]): Step {
  if (reads || writes) return to(closing(reads, writes, reuse), ...commands);
  return reuse ? to(IDLE, ...commands, "recycle") : to(CLOSED, ...commands, "retire");
}

function finish(reads: boolean, writes: boolean, ...commands: Command[]): Step {
  return close(reads, writes, false, ...commands, ...(reads ? CANCEL_IN : []));
}

function evict(reads: boolean, writes: boolean, ...commands: Command[]): Step {
  return finish(reads, writes, ...commands, "disconnect", ...(writes ? CANCEL_OUT : []));
}

/** A request goes to the server, which may answer it. */
function hand(gone: boolean): Step {
  return to(answering("none", gone ? "gone" : "free"), "hand");
}

/** What is there of the last request is read, and nothing of it waited for. */
function readRest(gone: boolean, last: boolean): Step {
  return to(reading(true, gone), "readRest", ...(last ? CANCEL_IN : []));
}

const CANCEL_IN: readonly Command[] = ["cancelIn"];
const CANCEL_OUT: readonly Command[] = ["cancelOut"];

/** The exchange is settled and its messages are written: on to the next request. */
function next(ahead: Ahead, gone: boolean, last: boolean, ...commands: Command[]): Step {
  switch (ahead) {
    case "reading":
      return to(reading(false, gone), ...commands);
    case "held":
      return to(reading(false, gone), ...commands, "unhold");
    case "none":
      if (last) return to(CLOSED, ...commands, "retire");
      return to(reading(false, gone), ...commands, "read");
  }
}

function fromIdle(event: Event): Step | undefined {
  switch (event) {
    case "listen":
      return to(CONNECTING, "listen");
    case "drain":
    case "finish":
    case "evict":
      return to(CLOSED, "retire");
    default:
      return undefined;
  }
}

function fromConnecting(event: Event): Step | undefined {
  switch (event) {
    case "connected":
      return to(reading(false, false), "welcome", "read");
    case "connectedGone":
      return to(reading(false, true), "welcome", "lose", "read");
    case "listenFailed":
      return to(CLOSED, "retire");
    case "drain":
    case "finish":
    case "evict":
      return finish(true, false);
    default:
      return undefined;
  }
}

function fromReading(
  state: State & { name: "reading" },
  event: Event,
  last: boolean,
): Step | undefined {
  const { rest, gone } = state;
  switch (event) {
    case "message":
      return hand(gone);
    case "partial":
      return rest ? undefined : readRest(gone, last);
    case "introduction":
    case "partialIntroduction":
      if (rest) return undefined;
      return to(authorizing(event === "partialIntroduction", gone), "authorize");
    case "ended":
      return close(false, false, true);
    case "cancelled":
      return finish(false, false);
    case "broken":
      return evict(false, false);
    case "turned":
      return to(state);
    case "drain":
      return to(state, "cancelIn");
    case "finish":
      return finish(true, false);
    case "evict":
      return evict(true, false);
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
      return state.rest ? readRest(state.gone, last) : hand(state.gone);
    case "refused":
    case "finish":
      return finish(false, false);
    case "drain":
      return to(state);
    case "evict":
      return evict(false, false);
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
      if (out === "gone") return undefined;
      return out === "free" ? to(answering(ahead, "busy"), "write") : to(answering(ahead, out));
    case "replied":
      if (out === "gone") return undefined;
      return out === "free" ? to(writing(ahead), "write") : to(writing(ahead));
    case "settled":
      return writes ? to(writing(ahead)) : next(ahead, out === "gone", last);
    case "written":
      return writes ? to(answering(ahead, "free")) : undefined;
    case "unwritten":
      return writes ? to(answering(ahead, "gone"), "lose") : undefined;
    case "turned":
      if (ahead !== "none" || last) return to(answering(ahead, out));
      return to(answering("reading", out), "read");
    case "message":
    case "partial":
      return reads ? to(answering("held", out), "hold") : undefined;
    case "ended":
      if (!reads) return undefined;
      return writes ? close(false, true, true, "lose", "cancelOut") : to(ENDED, "lose");
    case "cancelled":
      return reads ? to(answering("none", out)) : undefined;
    case "broken":
      if (!reads) return undefined;
      // What it asked before may wait for the responder still, and the client with it.
      return writes ? evict(false, true, "lose") : to(ENDED, "lose");
    case "drain":
      return to(answering(ahead, out), ...(reads ? CANCEL_IN : []));
    case "finish":
      return finish(reads, writes, "lose");
    case "evict":
      return evict(reads, writes, "lose");
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
      return next(ahead, true, last, "lose");
    case "turned":
      return to(writing(ahead));
    case "message":
    case "partial":
      return reads ? to(writing("held"), "hold") : undefined;
    case "ended":
      return reads ? close(false, true, true, "lose", "cancelOut") : undefined;
    case "cancelled":
      return reads ? to(writing("none")) : undefined;
    case "broken":
      return reads ? evict(false, true, "lose") : undefined;
    case "drain":
      return to(writing(ahead), ...(reads ? CANCEL_IN : []));
    case "finish":
      return finish(reads, true, "lose");
    case "evict":
      return evict(reads, true, "lose");
    default:
      return undefined;
  }
}

function fromEnded(event: Event): Step | undefined {
  switch (event) {
    case "settled":
      return close(false, false, true);
    case "turned":
    case "drain":
      return to(ENDED);
    case "finish":
    case "evict":
      return finish(false, false);
    default:
      return undefined;
  }
}

function fromClosing(
  state: State & { name: "closing" },
  event: Event,
): Step | undefined {
  const { reads, writes, reuse } = state;
  switch (event) {
    case "connected":
    case "connectedGone":
    case "listenFailed":
    case "message":
    case "partial":
    case "ended":
    case "cancelled":
    case "broken":
      return reads ? close(false, writes, reuse) : undefined;
    case "written":
    case "unwritten":
      return writes ? close(reads, false, reuse) : undefined;
    case "settled":
    case "turned":
    case "drain":
    case "finish":
      return to(state);
    case "evict":
      return evict(reads, writes);
    default:
      return undefined;
  }
}

function fromClosed(event: Event): Step | undefined {
  switch (event) {
    case "settled":
    case "turned":
    case "drain":
    case "finish":
    case "evict":
      return to(CLOSED);
    default:
      return undefined;
  }
}

function decide(state: State, event: Event, last: boolean): Step | undefined {
  switch (state.name) {
    case "idle":
      return fromIdle(event);
    case "connecting":
      return fromConnecting(event);
    case "reading":
      return fromReading(state, event, last);
    case "authorizing":
      return fromAuthorizing(state, event, last);
    case "answering":
      return fromAnswering(state, event, last);
    case "writing":
      return fromWriting(state, event, last);
    case "ended":
      return fromEnded(event);
    case "closing":
      return fromClosing(state, event);
    case "closed":
      return fromClosed(event);
  }
}

type Table = ReadonlyMap<State, ReadonlyMap<Event, Step>>;

function tabulate(last: boolean): Table {
  return new Map(STATES.map((state) => {
    const steps = new Map<Event, Step>();
    for (const event of EVENTS) {
      const step = decide(state, event, last);
      if (step !== undefined) steps.set(event, step);
    }
    return [state, steps];
  }));
}

const STEPS = tabulate(false);
const LAST_STEPS = tabulate(true);

/**
 * What an event leads to.
 *
 * @param last No request after this one is wanted: the server is shutting down.
 * @returns `undefined` where the event cannot happen in that state.
 */
export function transition(state: State, event: Event, last: boolean): Step | undefined {
  return (last ? LAST_STEPS : STEPS).get(state)?.get(event);
}
