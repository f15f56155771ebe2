/**
 * The calls of one client in any order, against a model: what is sent arrives in the order of the
 * calls, requests are served one at a time, and messages go to those that wait in their order.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { connectOn } from "../../src/client/connect.ts";
import { type Handle, Lane } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";
import type { PipeConn } from "../../src/pipe/pipe_conn.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { MemoryKernel, NOTHING_LEFT, type RawServer } from "../memory_kernel.ts";
import { Random } from "./random.ts";

const PATH = "\\\\.\\pipe\\calls";

/** A failure that no call is known for. */
const STRANGE = 1117;

/** Steps after which a story that should have come to rest has not. */
const PATIENCE = 2_000;

type Kind = "send" | "request" | "receive" | "iterate";

/** A call, as its program knows it. */
interface Made {
  readonly kind: Kind;
  readonly number: number;
  /** What it sends: it begins with the number. */
  readonly text: string;
  readonly controller: AbortController;
  state: "open" | "resolved" | "rejected";
  /** What it resolved with; null: no message. */
  message: string | null;
  error: unknown;
  /** The server has read it. */
  arrived: boolean;
  /** It must come to this, whatever was aborted. */
  bound: "resolved" | "rejected" | undefined;
}

const decoder = new TextDecoder();

function pad(text: string, size: number): string {
  return `${text};`.padEnd(size, ".");
}

/** What the client's last write was, and how it went. */
class CallsKernel extends MemoryKernel {
  last: { readonly text: string; readonly status: number } | undefined;
  /** What was ever submitted. */
  readonly submitted = new Set<string>();

  override write(handle: Handle, slot: number, message: Uint8Array<ArrayBuffer>): number {
    const status = super.write(handle, slot, message);
    this.last = { text: decoder.decode(message), status };
    this.submitted.add(this.last.text);
    return status;
  }

  /** Where the write of this text is, if it is the last one. */
  written(text: string): "pending" | "done" | "unknown" {
    if (this.last?.text !== text) return "unknown";
    const flight = this.inFlight().find(({ lane }) => lane === Lane.OUT);
    const status = flight?.operation.status ?? this.last.status;
    if (status === Status.PENDING) return "pending";
    return status === Status.SUCCESS ? "done" : "unknown";
  }
}

class Story {
  readonly #random: Random;
  readonly #kernel = new CallsKernel();
  readonly #server: RawServer;
  readonly #made: Made[] = [];
  /** What the server has sent, and how much of that was taken. */
  readonly #given: string[] = [];
  #taken = 0;
  /** Requests that the server has read and not answered. */
  #asked: Made[] = [];
  #piece = "";
  /** Something may have closed the connection: an abort, the program, the server, a failure. */
  #mayClose = false;
  #failed = false;
  #serverEnded: "close" | "disconnect" | undefined;
  /** The server sends what nobody asked for, and so answers may be taken for one another. */
  #mixed: boolean;
  readonly #byteType: boolean;
  #violation: string | undefined;

  constructor(seed: number) {
    const random = this.#random = new Random(seed);
    const kernel = this.#kernel;
    kernel.manual = true;
    this.#byteType = random.chance(0.05);
    this.#mixed = random.chance(0.3);
    this.#server = kernel.system.serve(PATH, {
      messages: !this.#byteType,
      readBufferSize: random.pick([0, 8, 64, 4096]),
      writeBufferSize: random.pick([0, 64, 65_536]),
    });
    const [holds, lies, late, waits] = [0.3, 0.2, 0.3, 0.5].map((rate) =>
      random.chance(0.5) ? rate : 0
    );
    const fails = random.chance(0.2) ? 0.03 : 0;
    kernel.decisions.shows = () => !random.chance(holds ?? 0);
    kernel.decisions.entersWait = () => !random.chance(waits ?? 0);
    kernel.decisions.cancels = () => !random.chance(late ?? 0);
    kernel.decisions.answers = (_submission, truth) =>
      truth === Status.SUCCESS && random.chance(lies ?? 0) ? Status.PENDING : truth;
    kernel.decisions.fails = (call) => {
      if (call !== "write" || !random.chance(fails)) return undefined;
      this.#mayClose = this.#failed = true;
      return STRANGE;
    };
  }

  async run(): Promise<string | undefined> {
    const loop = new WaitLoop(this.#kernel);
    const conn = await connectOn(() => loop, { path: PATH });
    // Another connection, which rests, keeps the loop when the first one is gone.
    const other = this.#kernel.system.serve(`${PATH} of others`);
    const idle = await connectOn(() => loop, { path: `${PATH} of others` });
    for (let i = this.#random.between(20, 120); i > 0 && this.#violation === undefined; i--) {
      this.#act(conn);
      await this.#settle();
    }
    if (this.#violation === undefined) await this.#end(conn, idle);
    other.close();
    return this.#violation;
  }

  #violate(what: string): void {
    this.#violation ??= what;
  }

  #act(conn: PipeConn): void {
    const random = this.#random;
    const step = random.weighted({
      system: 10,
      serverReads: 4,
      serverAnswers: 4,
      serverPushes: 0.7,
      serverEnds: 0.05,
      send: 2,
      request: 2,
      receive: 1,
      iterate: 0.5,
      abort: 2,
      close: 0.05,
    });
    switch (step) {
      case "system":
        this.#goOn();
        return;
      case "serverReads":
        return this.#serverReads();
      case "serverAnswers":
        return this.#serverAnswers();
      case "serverPushes":
        return this.#serverPushes();
      case "serverEnds":
        return this.#endServer(random.pick(["close", "disconnect"]));
      case "abort": {
        const made = random.some(this.#made.slice(-6));
        if (made !== undefined) this.#abort(made);
        return;
      }
      case "close":
        this.#mayClose = true;
        return conn.close();
      case undefined:
        return;
      default:
        this.#call(conn, step);
    }
  }

  /** The system or the loop does something; false: there is nothing to do. */
  #goOn(): boolean {
    const kernel = this.#kernel;
    const [late] = kernel.late();
    if (late !== undefined && this.#random.chance(0.3)) return kernel.end(late, Status.CANCELLED);
    if (this.#random.chance(0.5) && kernel.deliver()) return true;
    return kernel.runTurn() > 0 || kernel.returnWait() || kernel.enterWait() || kernel.deliver() ||
      late !== undefined && kernel.end(late, Status.CANCELLED);
  }

  #call(conn: PipeConn, kind: Kind): void {
    const number = this.#made.length;
    const size = this.#random.pick([4, 10, 10, 100, 5_000]);
    const made: Made = {
      kind,
      number,
      text: pad(`${number}`, size),
      controller: new AbortController(),
      state: "open",
      message: null,
      error: undefined,
      arrived: false,
      bound: undefined,
    };
    const waits = this.#open().some(({ kind }) => kind === "receive" || kind === "iterate");
    if (this.#byteType || kind === "request" && waits) made.bound = "rejected";
    this.#made.push(made);
    const { signal } = made.controller;
    const text = async (taken: Promise<Uint8Array | null>) => {
      const bytes = await taken;
      return bytes && decoder.decode(bytes);
    };
    const call = {
      send: () => conn.send(made.text, { signal }).then(() => null),
      request: () => text(conn.request(made.text, { signal })),
      receive: () => text(conn.receive({ signal })),
      iterate: () => text(conn[Symbol.asyncIterator]().next().then(({ value }) => value ?? null)),
    };
    call[kind]().then((message) => {
      made.state = "resolved";
      made.message = message;
      this.#resolved(made);
    }, (error) => {
      made.state = "rejected";
      made.error = error;
      this.#rejected(made);
    });
  }

  #abort(made: Made): void {
    const { kind, state, text, controller } = made;
    if (controller.signal.aborted || kind === "iterate") return;
    const written = this.#kernel.written(text);
    if (state === "open" && made.bound === undefined) {
      if (!this.#kernel.submitted.has(text)) made.bound = "rejected";
      else if (kind === "send" && written === "done") made.bound = "resolved";
      else if (kind === "request" || written === "pending") this.#mayClose = true;
      // A message that comes all the same is the next one's.
      if (kind !== "send") this.#mixed = true;
    }
    controller.abort(new Error("planted: no patience"));
  }

  #serverReads(): void {
    if (this.#serverEnded !== undefined) return;
    const part = this.#random.chance(0.2) ? 3 : undefined;
    const text = this.#server.readText(part);
    if (text === undefined) return;
    this.#piece += text;
    if (!this.#server.more) this.#arrived(this.#piece);
    if (!this.#server.more) this.#piece = "";
  }

  /** What is sent arrives in the order of the calls, whole, once. */
  #arrived(text: string): void {
    const made = this.#made[Number.parseInt(text)];
    if (made === undefined || made.text !== text || made.arrived) {
      return this.#violate(`the server gets what nobody sent: ${text.slice(0, 20)}`);
    }
    made.arrived = true;
    if (made.bound === "rejected") this.#violate(`${show(made)} is sent, and must not be`);
    for (const other of this.#made) {
      if (other.kind !== "send" && other.kind !== "request") continue;
      const { number, arrived, state } = other;
      if (
        number > made.number ? arrived : number < made.number && !arrived && state !== "rejected"
      ) {
        this.#violate(`${show(made)} overtakes ${show(other)}`);
      }
      if (made.kind === "request" && other.kind === "request" && number < made.number) {
        if (state === "open") {
          this.#violate(`${show(made)} is sent before ${show(other)} is answered`);
        }
      }
    }
    if (made.kind === "request") this.#asked.push(made);
  }

  #serverAnswers(): void {
    const request = this.#asked.shift();
    if (request !== undefined) this.#give(`answer to ${request.number}`);
  }

  #serverPushes(): void {
    const waiting = this.#open().filter(({ kind }) => kind !== "send");
    const expected = waiting.length > 0 && waiting.every(({ kind }) => kind !== "request") &&
      this.#given.length - this.#taken < waiting.length;
    if (expected || this.#mixed) this.#give(`push ${this.#given.length}`);
  }

  #give(text: string): void {
    if (this.#serverEnded !== undefined || this.#server.ended !== undefined) return;
    const message = pad(text, this.#random.pick([0, 0, 50, 5_000]));
    this.#given.push(message);
    this.#server.write(message);
  }

  #endServer(how: "close" | "disconnect"): void {
    if (this.#serverEnded !== undefined) return;
    this.#serverEnded = how;
    this.#mayClose = true;
    if (how === "close") this.#server.close();
    else this.#server.disconnect();
  }

  /** Messages go to who waits, in order. */
  #resolved(made: Made): void {
    if (made.kind === "send") return;
    if (made.message === null) {
      // A loop ends quietly when its own program has closed the connection, too.
      if (made.kind === "request" || !this.#mayClose) this.#violate(`${show(made)} sees an end`);
      return;
    }
    const expected = this.#given[this.#taken++];
    if (made.message !== expected) {
      this.#violate(`${show(made)} gets ${made.message.slice(0, 20)}, and not ${expected}`);
    }
    const before = this.#open().find((other) =>
      other.kind !== "send" && other.number < made.number && other.bound === undefined &&
      !other.controller.signal.aborted
    );
    if (before !== undefined) this.#violate(`${show(made)} gets the message of ${show(before)}`);
    const wrong = made.kind === "request" && !made.message.startsWith(`answer to ${made.number};`);
    if (wrong && !this.#mixed) this.#violate(`${show(made)} gets ${made.message.slice(0, 20)}`);
  }

  #rejected(made: Made): void {
    const { kind, error, controller } = made;
    if (error instanceof TypeError) {
      if (made.bound !== "rejected") this.#violate(`${show(made)} fails: ${error}`);
      return;
    }
    if (error === controller.signal.reason) return;
    if (kind === "iterate" && !this.#failed) this.#violate(`${show(made)} fails: ${error}`);
    if (!this.#mayClose) this.#violate(`${show(made)} fails: ${error}`);
  }

  #open(): Made[] {
    return this.#made.filter(({ state }) => state === "open");
  }

  /** The microtasks of what has just happened; and nothing may be wrong then. */
  async #settle(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const { breach, waitState, waitEnds } = this.#kernel;
    if (breach !== undefined) this.#violate(breach.message);
    const { inFlight, turns } = this.#kernel.leftovers();
    if (inFlight + turns === 0 && waitState !== "none" && !waitEnds) {
      this.#violate("a wait keeps the program, and nothing is in flight");
    }
    if (!this.#mayClose && this.#server.state === "closing") this.#violate("it closes by itself");
    for (const made of this.#made) {
      const { bound, state } = made;
      const isWrong = bound !== undefined && state !== "open" && state !== bound;
      if (isWrong) this.#violate(`${show(made)} is ${state}`);
    }
  }

  async #rest(): Promise<void> {
    let steps = 0;
    do {
      await this.#settle();
      if (steps++ > PATIENCE) return this.#violate("no rest");
    } while (this.#goOn());
  }

  async #end(conn: PipeConn, idle: PipeConn): Promise<void> {
    this.#kernel.decisions.fails = () => undefined;
    await this.#rest();
    if (this.#failed && this.#serverEnded === undefined && this.#server.state !== "closing") {
      this.#violate("a write has failed, and the connection stays");
    }
    if (!this.#mayClose && this.#random.chance(0.5)) await this.#serveAll();
    if (this.#random.chance(0.4)) await this.#forgetAll();
    if (!this.#byteType && this.#random.chance(0.5)) await this.#takeAll(conn);
    else conn.close();
    this.#mayClose = true;
    await this.#rest();
    idle.close();
    await this.#rest();
    const open = this.#open()[0];
    if (open !== undefined) this.#violate(`${show(open)} never settles`);
    const left = JSON.stringify(this.#kernel.leftovers());
    if (left !== JSON.stringify(NOTHING_LEFT)) this.#violate(`left behind: ${left}`);
    if (this.#serverEnded !== "close") this.#server.close();
  }

  /** A server that reads and answers leaves nobody waiting who has sent something. */
  async #serveAll(): Promise<void> {
    for (let i = 0; i < PATIENCE; i++) {
      this.#serverReads();
      this.#serverAnswers();
      await this.#rest();
      const open = this.#open().find(({ kind }) => kind === "send" || kind === "request");
      if (open === undefined) return;
    }
    this.#violate("somebody waits although everything is read and answered");
  }

  /** Once nobody waits for anything, nothing keeps the program. */
  async #forgetAll(): Promise<void> {
    for (const made of this.#open().toReversed()) this.#abort(made);
    await this.#rest();
    if (this.#open().length > 0) return;
    // A request that was answered early may still be written.
    const reads = this.#kernel.inFlight().some(({ lane }) => lane === Lane.IN);
    if (reads) this.#violate("nobody waits for a message, and the program is kept by a read");
  }

  /** The server ends it, and the program sees that: nothing that was given is lost. */
  async #takeAll(conn: PipeConn): Promise<void> {
    // What the server has written and nobody has read would be lost with its handle.
    for (let i = 0; this.#server.written === "pending" && i < PATIENCE; i++) {
      this.#call(conn, "receive");
      await this.#rest();
    }
    const hasEnded = this.#serverEnded !== undefined || this.#server.state === "closing";
    this.#endServer("close");
    await this.#rest();
    // Whoever sends learns of the end as well.
    const isRead = this.#taken === this.#given.length || this.#serverEnded === "disconnect";
    if (isRead && this.#random.chance(0.5)) return this.#call(conn, "send");
    for (let i = 0; i < PATIENCE; i++) {
      this.#call(conn, "receive");
      await this.#rest();
      const last = this.#made.at(-1);
      if (last?.message === null) break;
    }
    if (!hasEnded && this.#taken !== this.#given.length) {
      this.#violate(`${this.#given.length - this.#taken} messages are lost`);
    }
  }
}

function show({ kind, number }: Made): string {
  return `${kind} ${number}`;
}

/** Runs one story. Says what should not have happened, if anything did. */
export async function clientCalls(seed: number): Promise<string | undefined> {
  try {
    return await new Story(seed).run();
  } catch (error) {
    return `thrown: ${error instanceof Error ? error.stack : error}`;
  }
}
