/**
 * The operations of all slots, and who owns their memory.
 *
 * @module
 */

import { type Handle, Lane } from "../../kernel/kernel.ts";
import { isShortage, Status } from "../../kernel/status.ts";
import type { Contract } from "./contract.ts";
import type { Decisions, Submission } from "./decisions.ts";
import type { End } from "./end.ts";
import type { Flight } from "./flight.ts";
import type { Handles, Open } from "./handles.ts";
import { Operation } from "./operation.ts";
import type { Signals } from "./signals.ts";

/** What memory holds that is nobody's to read: in flight, or released. */
export const POISON = 0xdb;

/** Who decides about operations. */
export type Deciding = Pick<Decisions, "fails" | "answers" | "shows" | "cancels">;

/** How an operation begins. */
export interface Start {
  /** Hands it to its end. */
  begin(end: End, operation: Operation): void;
  /** What it does all the same when the system has no memory for it. */
  beginInPart?(end: End): void;
  /** Bytes of its buffer. */
  readonly size?: number;
}

type Slot = [Flight | undefined, Flight | undefined];

function moved(status: number): boolean {
  return status === Status.SUCCESS || status === Status.MORE_DATA;
}

/** See the module. */
export class Flights {
  readonly #contract: Contract;
  readonly #handles: Handles;
  readonly #signals: Signals;
  readonly #decide: Deciding;
  readonly #slots = new Map<number, Slot>();
  readonly #pictures: [Set<number>, Set<number>] = [new Set(), new Set()];

  constructor(contract: Contract, handles: Handles, signals: Signals, decide: Deciding) {
    this.#contract = contract;
    this.#handles = handles;
    this.#signals = signals;
    this.#decide = decide;
  }

  /** How many slots have memory. */
  get slots(): number {
    return this.#slots.size;
  }

  /** What is in flight: over but not observed, or pending. */
  all(): Flight[] {
    const flights: Flight[] = [];
    for (const slot of this.#slots.values()) {
      for (const flight of slot) if (flight?.inFlight) flights.push(flight);
    }
    return flights;
  }

  /** What was submitted last in a lane of a slot. */
  find({ slot, lane }: Submission): Flight | undefined {
    return this.#slots.get(slot)?.[lane];
  }

  /** Forgets all memory. */
  clear(): void {
    this.#slots.clear();
  }

  /** Submits an operation. */
  submit(submission: Submission, start: Start): number {
    const { call, handle, slot, lane } = submission;
    const open = this.#handles.use(handle);
    const memory = this.#free(submission, open);
    const flight: Flight = {
      ...submission,
      operation: new Operation(() => {
        if (flight.inFlight) this.#ended(flight);
      }),
      inFlight: false,
      cancelled: false,
      word: Status.PENDING,
      memory: new Uint8Array(start.size ?? 0).fill(POISON),
    };
    memory[lane] = flight;
    open.flights[lane] = flight;
    this.#slots.set(slot, memory);
    if (lane === Lane.IN) open.identifiable = false;
    this.#signals.reset(lane);
    const failure = this.#decide.fails(call, handle);
    if (failure === undefined) start.begin(open.end, flight.operation);
    else {
      if (failure !== Status.NOT_SUBMITTED && isShortage(failure)) start.beginInPart?.(open.end);
      flight.operation.finish(failure);
    }
    return this.#answer(flight, open);
  }

  /** The memory for an operation; nothing else may be in flight there, or on its handle. */
  #free({ call, slot, lane }: Submission, open: Open): Slot {
    if (this.#contract.state === "unloading") {
      this.#contract.fail(`a ${call} while the program goes away`);
    }
    const memory = this.#slots.get(slot) ?? [undefined, undefined];
    if (memory[lane]?.inFlight) {
      this.#contract.fail(`a second operation on lane ${lane} of slot ${slot}`);
    }
    if (open.flights[lane]?.inFlight) {
      this.#contract.fail(`a second operation on lane ${lane} of a handle`);
    }
    return memory;
  }

  /** What the submission returns, and what that makes of the operation. */
  #answer(flight: Flight, open: Open): number {
    const truth = flight.operation.status;
    // Nothing was submitted: the system has nothing to say.
    if (truth === Status.NOT_SUBMITTED) return truth;
    const answer = this.#decide.answers(flight, truth);
    if (truth === Status.PENDING) {
      flight.inFlight = true;
    } else if (answer === Status.PENDING) {
      // Over, and PENDING all the same.
      flight.inFlight = true;
      this.#ended(flight);
    } else if (moved(truth)) {
      // A synchronous success, and a partial read, leave the event signalled.
      flight.word = truth;
      flight.memory.set(flight.operation.bytes);
      if (flight.call === "read") open.identifiable = true;
      this.#signals.signal(flight.lane);
    }
    return answer;
  }

  #ended(flight: Flight): void {
    if (this.#decide.shows(flight)) this.show(flight);
  }

  /** The completion can be seen from now on. */
  show(flight: Flight): void {
    flight.word = flight.operation.status;
    this.#signals.signal(flight.lane);
  }

  /** See {@linkcode Kernel.cancel}. */
  cancel(handle: Handle, lane: Lane, slot: number): number {
    const flight = this.#slots.get(slot)?.[lane];
    // Nothing pending, or over by now, observed or not.
    if (flight === undefined || !flight.inFlight || flight.word !== Status.PENDING) {
      return Status.NOTHING_TO_CANCEL;
    }
    if (flight.handle !== handle) {
      this.#contract.fail(`slot ${slot} is in flight on another handle`);
    }
    if (flight.operation.status === Status.PENDING) {
      if (this.#decide.cancels(flight)) flight.operation.cancel();
      else flight.cancelled = true;
    }
    return Status.SUCCESS;
  }

  /** See {@linkcode Kernel.snapshot}. */
  snapshot(lane: Lane): void {
    const picture = this.#pictures[lane];
    picture.clear();
    for (const [number, flights] of this.#slots) {
      if (flights[lane]?.word === Status.PENDING) picture.add(number);
    }
  }

  /** See {@linkcode Kernel.seemsPending}. */
  seemsPending(lane: Lane, slot: number): boolean {
    return this.#pictures[lane].has(slot);
  }

  /** See {@linkcode Kernel.status}. */
  status(lane: Lane, slot: number): number {
    const flight = this.#get(lane, slot);
    if (flight.word !== Status.PENDING && flight.inFlight) this.#observe(flight);
    return flight.word;
  }

  #observe(flight: Flight): void {
    flight.inFlight = false;
    const open = this.#handles.get(flight.handle);
    if (open !== undefined && flight.call === "read") open.identifiable = moved(flight.word);
    flight.memory.set(flight.operation.bytes);
  }

  /** See {@linkcode Kernel.transferred}. */
  transferred(lane: Lane, slot: number): number {
    const flight = this.#get(lane, slot);
    if (flight.inFlight) {
      this.#contract.fail(`slot ${slot} is in flight: nothing is transferred yet`);
    }
    // A failure leaves the word of the length untouched.
    if (!moved(flight.word)) {
      this.#contract.fail(`the last operation of slot ${slot} transferred nothing`);
    }
    return flight.operation.transferred;
  }

  /** See {@linkcode Kernel.take}. */
  take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    const size = this.transferred(Lane.IN, slot);
    if (target.length > size) {
      this.#contract.fail(`${target.length} bytes are taken of ${size}`);
    }
    target.set(this.#get(Lane.IN, slot).memory.subarray(0, target.length));
  }

  /** See {@linkcode Kernel.release}. */
  release(slot: number): void {
    const flights = this.#slots.get(slot) ?? [];
    if (flights.some((flight) => flight?.inFlight)) {
      this.#contract.fail(`slot ${slot} is released with an operation in flight`);
    }
    for (const flight of flights) flight?.memory.fill(POISON);
    this.#slots.delete(slot);
  }

  #get(lane: Lane, slot: number): Flight {
    return this.#slots.get(slot)?.[lane] ??
      this.#contract.fail(`slot ${slot} has had no operation on lane ${lane}`);
  }
}
