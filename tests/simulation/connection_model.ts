/**
 * The reference model of connections: what each end may see.
 *
 * A {@linkcode Wire} is a connection, with a {@linkcode Flow} for each direction and a
 * {@linkcode Side} for each end, which knows what its user did. Whatever ends a connection must have
 * a cause that is known: otherwise everything that was accepted must arrive, whole, once, in order.
 *
 * @module
 */

import type { CloseReason } from "../../src/pipe/close_reason.ts";
import type { PipeEnded } from "../../src/pipe/pipe_conn.ts";
import { LAST_WRITE_TIMEOUT } from "../../src/pipe/write_queue.ts";
import type { ClientInfo } from "../../src/server/client.ts";
import type { ServerStats } from "../../src/server/stats.ts";
import type { ShutdownReport } from "../../src/server/tally.ts";
import { describe, IDENTITY } from "./messages.ts";
import { Flow, type Sent } from "./flow.ts";
import type { Shape } from "./shape.ts";

/** Milliseconds that a shutdown may take longer than its timeout, with turns that are late. */
const LATE = 2_000;

/** Bytes that a frame has besides its message, at most. */
const HEAD = 64;

/** Milliseconds that sums of times may be wrong. */
const EPSILON = 1e-6;

/** The limits of a listener, `Infinity` where there is none. */
export interface Limits {
  readonly maxMessage: number;
  readonly maxPerProcess: number;
  readonly idleTimeout: number;
  readonly writeTimeout: number;
  readonly maxQueued: number;
  readonly maxBuffered: number;
}

/** What is to be known of a listener. */
export interface ListenerRecord {
  readonly limits: Limits;
  readonly instances: number;
  readonly authorizes: "all" | "some" | undefined;
  /** On the listener's clock. */
  closedAt: number | undefined;
  /** It keeps its program running while it listens. */
  refd: boolean;
  /** The reason for which those end that nobody has accepted by then. */
  closedAs: CloseReason | undefined;
  shutDownAt: number | undefined;
  shutdownTimeout: number;
  stoppedAt: number | undefined;
  /** It may go away without a word: the loop failed, or the program went away. */
  failed: boolean;
  /** Nothing of it is left. */
  over: boolean;
}

/** The clock of a program. */
export interface TaskClock {
  readonly time: number;
  /** The time at which the task that runs began. */
  readonly taskBegin: number;
}

/** One end of a connection, as its user knows it. */
export class Side {
  /** Its user has begun to end the connection, or has done what may end it. */
  ending = false;
  /** Its user waits until what is queued is written. */
  graceful = false;
  /** Its handle is closed, or was disconnected. */
  gone = false;
  /** Its user has ended its direction. */
  halfClosed = false;
  /** When it began to say so, while that may still be unread. */
  halfClosedAt = Infinity;
  /** Its user receives nothing more. */
  deaf = false;
  /** It was told that the other end sends nothing more. */
  sawEnd = false;
  /** It receives messages, and not only bytes. */
  decodes = false;
  /** Calls that wait for what comes next. */
  waiting = 0;
  /** Calls whose promises are open. */
  open = 0;
  /** A message was taken so late that its time had run out. */
  slow = false;
  /** More than allowed may have been queued. */
  full = false;
  /** When its connection was last not idle for sure, on its clock, and for how long it was before. */
  #activeAt: number;
  #lastGap = 0;
  /** It uses this module, and its program has it. */
  held = false;
  /** Its program went away. */
  lost = false;
  /** Its calls keep its program running. */
  refd = true;
  /** It was idle for too long when its end was noticed. */
  idled = false;
  /** The task in which it last got a message, and how many. */
  task = -1;
  inTask = 0;
  /** Messages that it has got. */
  messages = 0;
  /** It takes bytes: it does not see empty messages, nor what a stream has taken in vain. */
  takesBytes = false;
  /** Its program has asked how it ends. */
  watched = false;
  /** The task in which it was told. */
  overIn = Infinity;
  /** How it ended, as it was told. */
  over: PipeEnded | undefined = undefined;

  constructor(
    readonly wire: Wire,
    readonly isServer: boolean,
    readonly out: Flow,
    readonly in_: Flow,
    readonly clock: TaskClock,
    /** Milliseconds that a write may take. */
    readonly writeTimeout: number,
  ) {
    this.#activeAt = clock.taskBegin;
  }

  /** Something comes or goes. */
  active(): void {
    const now = this.clock.taskBegin;
    // Several messages may be accepted at once.
    if (now === this.#activeAt) return;
    this.#lastGap = now - this.#activeAt;
    this.#activeAt = now;
  }

  /** For how long it may have been idle, when its end is told a little late. */
  get idle(): number {
    return Math.max(this.#lastGap, this.now() - this.#activeAt);
  }

  now(): number {
    return this.clock.time;
  }

  get other(): Side {
    return this.isServer ? this.wire.client : this.wire.server;
  }

  get name(): string {
    return `the ${this.isServer ? "server" : "client"} of ${this.wire.id}`;
  }
}

/** A connection. */
export class Wire {
  readonly server: Side;
  readonly client: Side;
  /** A fault touched it. */
  tainted: string | undefined = undefined;
  /** Its client withdrew what its server was reading, or sent what no server takes. */
  faulty = false;
  /** The server disconnected it while its client was there. */
  evicted = false;
  /** The server threw within it, as a mistake of its own would. */
  crashed = false;
  /** Its number at its listener, once that has seen it. */
  peer: number | undefined = undefined;
  verdict: "unasked" | "asked" | "admitted" | "refused" = "unasked";
  accepted = false;
  /** The reasons for its end that onDisconnect was told. */
  readonly told: CloseReason[] = [];
  /** Bytes that its server has taken out of the pipe, and the most at once. */
  taken = 0;
  chunk = 0;

  constructor(
    readonly id: number,
    readonly owner: string,
    readonly process: number,
    readonly listener: ListenerRecord,
    shape: Shape,
    clocks: { readonly server: TaskClock; readonly client: TaskClock },
    clientTimeout: number,
  ) {
    const { framing, isLines } = shape;
    const toServer = new Flow(id, true, framing, isLines);
    const toClient = new Flow(id, false, framing, isLines);
    const { writeTimeout } = listener.limits;
    this.server = new Side(this, true, toClient, toServer, clocks.server, writeTimeout);
    this.client = new Side(this, false, toServer, toClient, clocks.client, clientTimeout);
  }
}

/** Where the model gets its facts from, and where it complains. */
export interface Surroundings {
  readonly shape: Shape;
  /** Counts the tasks of programs. */
  readonly task: number;
  /** Whether time may pass while a program has something to do. */
  readonly jumps: boolean;
  /** Whether the kernels have a write of these bytes that has not ended. */
  pends(bytes: Uint8Array): boolean;
  violate(what: string): void;
}

/** See the module. */
export class ConnectionModel {
  readonly wires: Wire[] = [];
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** A client has connected. */
  connected(...about: ConstructorParameters<typeof Wire>): Wire {
    const wire = new Wire(...about);
    this.wires.push(wire);
    return wire;
  }

  /** Clients that wait to be accepted keep further instances from being created. */
  checkBacklog(): void {
    const waiting = new Map<ListenerRecord, number>();
    for (const { listener, peer, accepted, told, crashed } of this.wires) {
      if (peer === undefined || accepted || told.length > 0 || crashed) continue;
      const count = (waiting.get(listener) ?? 0) + 1;
      waiting.set(listener, count);
      // Those that listen while the last one comes may each have one more.
      const most = 2 * listener.instances;
      if (listener.authorizes === undefined && count > most && !listener.failed) {
        this.#violate(`${count} clients wait to be accepted`);
      }
    }
  }

  /** A listener has a client, and gives it a number. */
  met(wire: Wire, number: number): void {
    if (wire.peer !== undefined) this.#violate(`${wire.id} is met twice`);
    wire.peer = number;
    wire.server.active();
  }

  /** The wire of a listener's client. */
  wireOf(client: ClientInfo, listener: ListenerRecord): Wire | undefined {
    const wire = this.wires.find((wire) => wire.listener === listener && wire.peer === client.id);
    if (wire === undefined) this.#violate(`client ${client.id} is nobody`);
    return wire;
  }

  /** The program is asked whether to let a client in. */
  asked(wire: Wire): void {
    if (wire.verdict !== "unasked") this.#violate(`${wire.id} is asked about twice`);
    if (wire.told.length > 0) this.#violate(`${wire.id} is asked about after its end`);
    wire.verdict = "asked";
  }

  /** The program gets a connection. */
  accepted(wire: Wire): void {
    const { listener } = wire;
    if (wire.accepted) this.#violate(`${wire.id} is accepted twice`);
    wire.accepted = true;
    wire.server.held = true;
    if (listener.authorizes !== undefined && wire.verdict !== "admitted") {
      this.#violate(`${wire.id} is accepted, but it is ${wire.verdict}`);
    }
  }

  /** Nothing waits to be accepted. */
  flushes(side: Side): void {
    // After the end, what was queued is gone.
    if (this.#causes(side).length === 0) side.out.flush();
  }

  /** A message or bytes are about to be given to a connection. */
  gives(side: Side, sent: Sent, queued: number): void {
    const { maxMessage, maxQueued } = side.wire.listener.limits;
    const before = side.out.waiting - sent.wire.length;
    if (side.isServer && before > maxQueued) side.full = true;
    if (queued > before) this.#violate(`${side.name} has ${queued} B queued, not ${before}`);
    if (!side.isServer && sent.bytes.length > maxMessage) side.wire.faulty = true;
  }

  /** What was given is accepted. */
  taken(side: Side, sent: Sent): void {
    sent.state = "accepted";
    side.slow ||= sent.at + side.writeTimeout <= side.now();
    side.active();
    // A short one may be somebody else's.
    if (sent.bytes.length >= IDENTITY && this.#around.pends(sent.wire)) {
      this.#violate(`${side.name}: a promise resolves while ${describe(sent.bytes)} is written`);
    }
  }

  /** A call of a connection fails. */
  failed(side: Side, call: string, error: unknown): void {
    const planted = error instanceof Error && error.message.startsWith("planted");
    const causes = this.#causes(side);
    // What is still written of what was queued comes after that.
    side.idled ||= causes.includes("idleTimeout");
    if (planted || causes.length > 0) return;
    this.#violate(`${call} of ${side.name} fails (${error}), and nothing has ended it`);
  }

  /** A whole message is received. */
  received(side: Side, bytes: Uint8Array): void {
    this.#receives(side.in_.receive(bytes));
    side.messages++;
    if (side.isServer) this.#mayGet(side, bytes);
    // The rest of what was read at once is not what the other end sends now.
    if (this.#around.shape.framing === undefined) side.active();
    if (this.#around.task > side.overIn && !this.#mayReceive(side)) {
      this.#violate(`${side.name} receives after its end`);
    }
  }

  /** Whether a write may have found the end, before everything was received that had come. */
  #mayReceive({ over, out, sawEnd, halfClosed, isServer }: Side): boolean {
    if (this.#around.shape.direction === (isServer ? "write" : "read")) return false;
    const failed = halfClosed ||
      out.sent.some(({ state }) => state === "failed" || state === "open");
    return over?.reason === "peer" && !sawEnd && failed;
  }

  /** A connection tells whether its listener is being shut down. One that has ended need not. */
  drains(side: Side, aborted: boolean): void {
    const { shutDownAt, stoppedAt, failed } = side.wire.listener;
    const begun = side.isServer && (shutDownAt ?? stoppedAt) !== undefined;
    if (failed) return;
    if (aborted && !begun) this.#violate(`${side.name} is told of a shutdown`);
    const told = aborted || stoppedAt !== undefined || this.#causes(side).length > 0;
    if (begun && !told) this.#violate(`${side.name} is not told of a shutdown`);
  }

  /** Bytes are received. */
  receivedBytes(side: Side, bytes: Uint8Array): void {
    this.#receives(side.in_.receiveBytes(bytes));
  }

  /** The other end sends nothing more. */
  ended(side: Side): void {
    side.sawEnd = true;
    const { wire, in_ } = side;
    const causes = this.#causes(side);
    if (!in_.finished && causes.length === 0) {
      this.#violate(`${side.name} sees an end, and there is none`);
    }
    const lost = in_.missing;
    // Whoever ends it itself may see the end at once.
    const own = causes.some((reason) => reason !== "peer") || wire.evicted;
    if (lost !== undefined && !own) {
      this.#violate(`${side.name} sees the end before it gets ${describe(lost.bytes)}`);
    }
  }

  /** A connection that its user has ended gracefully, since this time, has ended. */
  finished(side: Side, since: number): void {
    const { out, other, wire } = side;
    const time = isFinite(side.writeTimeout) ? side.writeTimeout : LAST_WRITE_TIMEOUT;
    if (other.gone || wire.evicted || since + time <= side.now()) return;
    if (this.#causes(side).some((reason) => reason !== "self")) return;
    out.flush();
    const lost = out.sent.find(({ state, wire }) =>
      wire.length > 0 && (state === "open" || state === "failed")
    );
    if (lost !== undefined) this.#violate(`${side.name} ends without ${describe(lost.bytes)}`);
  }

  /** A connection tells how it has ended. */
  closed(side: Side, ended: PipeEnded): void {
    if (side.over !== undefined && side.over !== ended) {
      this.#violate(`${side.name} ends twice`);
    }
    side.over = ended;
    side.overIn = this.#around.task;
    this.#explain(side, ended.reason, ended.error);
  }

  /** A listener tells the end of a connection. */
  disconnected(wire: Wire, reason: CloseReason, error: unknown): void {
    wire.told.push(reason);
    if (wire.told.length > 1) this.#violate(`the end of ${wire.id} is told twice`);
    this.#explain(wire.server, reason, error);
  }

  /** A listener disconnects a client that is there. */
  evicted(wire: Wire): void {
    const causes = this.#causes(wire.server);
    wire.evicted = true;
    const { verdict, listener } = wire;
    const last = Math.min(wire.server.writeTimeout, LAST_WRITE_TIMEOUT);
    const may = causes.some((reason) => !GENTLE.has(reason)) || verdict === "refused" ||
      this.#isLeftOver(wire) || this.#shutdownTimedOut(listener) ||
      this.#isUnread(wire.server, last);
    if (!may) this.#violate(`${wire.id} is disconnected, though it did nothing wrong`);
  }

  /** Nothing happens any more but what time brings. */
  atStandstill(): void {
    for (const wire of this.wires) {
      this.#isLetGo(wire);
      for (const side of [wire.server, wire.client]) this.#stands(side);
    }
  }

  /** A program has seen all there is to be seen: what its user has ended has no handle any more. */
  atPeace(clock: TaskClock): void {
    for (const { server, client } of this.wires) {
      for (const side of [server, client]) {
        const { over, gone, lost, isServer } = side;
        // A server's last message may still be written, unless its own program has ended it.
        const ended = over !== undefined && (!isServer || over.reason === "self");
        if (side.clock !== clock || !ended || gone || lost || this.#mayReceive(side)) continue;
        this.#violate(`${side.name} has ended, and keeps its handle`);
      }
    }
  }

  /**
   * Whether somebody waits who keeps this program running.
   *
   * @param listener What it listens with, if it does.
   */
  keeps(clock: TaskClock, listener: ListenerRecord | undefined): boolean {
    if (listener?.refd && listener.closedAt === undefined && !listener.failed && !listener.over) {
      return true;
    }
    return this.wires.flatMap(({ server, client }) => [server, client]).some((side) =>
      side.clock === clock && side.refd && side.open > 0 && !side.gone && !side.lost
    );
  }

  /** Of what has ended, nothing is left. */
  #isLetGo(wire: Wire): void {
    const { listener, peer, accepted, told, verdict } = wire;
    for (const side of [wire.server, wire.client]) {
      const { gone, lost, out } = side;
      const written = out.awaited === undefined && out.open.every(({ loose }) => loose);
      const touched = wire.tainted !== undefined || wire.faulty;
      if (side.graceful && written && !gone && !lost && !touched) {
        this.#violate(`${side.name} has nothing to write, and does not end`);
      }
    }
    const unseen = peer !== undefined && !accepted && told.length === 0 && !wire.crashed;
    if (unseen && listener.closedAt !== undefined && !listener.failed && verdict !== "asked") {
      this.#violate(`${wire.id} was never accepted, and is not let go of`);
    }
  }

  /** A listener lists its clients. */
  listed(clients: readonly ClientInfo[], listener: ListenerRecord): void {
    const ids = clients.map(({ id }) => id);
    if (ids.some((id, at) => at > 0 && id <= (ids[at - 1] ?? 0))) {
      this.#violate(`the clients are listed as ${ids}`);
    }
    for (const wire of this.wires) {
      if (wire.listener !== listener || wire.peer === undefined) continue;
      const { accepted, verdict, told, server } = wire;
      const listed = ids.includes(wire.peer);
      const admitted = listener.authorizes === undefined || verdict === "admitted";
      if (listed && (told.length > 0 || !admitted)) {
        this.#violate(`${wire.id} is listed: ${verdict}, ended by ${told}`);
      }
      const must = accepted && !server.gone && this.#causes(server).length === 0;
      if (must && !listed) this.#violate(`${wire.id} is connected, and not listed`);
    }
  }

  /** A shutdown reports what it did. */
  reported({ exchanges, evicted, dropped }: ShutdownReport, listener: ListenerRecord): void {
    const wires = this.wires.filter((wire) => wire.listener === listener);
    const sure = wires.filter(({ accepted, told }) => accepted && told.includes("shutdown"));
    const most = this.#shutdownTimedOut(listener) ? wires.filter(({ peer }) => peer).length : 0;
    const right = exchanges === 0 && dropped >= 0 && sure.length <= evicted && evicted <= most;
    if (!right) {
      const range = `${sure.length} to ${most}`;
      this.#violate(
        `${exchanges} exchanges, ${evicted} evicted, which are ${range}, ${dropped} dropped`,
      );
    }
  }

  /** What a listener that has ended has counted. */
  counted(stats: ServerStats, listener: ListenerRecord): void {
    const wires = this.wires.filter((wire) => wire.listener === listener);
    if (listener.failed || wires.some(({ crashed }) => crashed)) return;
    for (const [reason, count] of Object.entries(stats.ended)) {
      const told = wires.filter((wire) => wire.told.some((one) => one === reason)).length;
      this.#agree(`ends by "${reason}"`, count, told, told);
    }
    const refused = stats.ended.unauthorized + stats.ended.maxPerProcess;
    this.#agree("clients refused", stats.refused, refused, refused);
    const accepted = wires.filter((wire) => wire.accepted).length;
    const admitted =
      wires.filter(({ peer, verdict }) =>
        peer !== undefined && (listener.authorizes === undefined || verdict === "admitted")
      ).length;
    this.#agree("clients", stats.accepted, accepted, admitted);
    const sides = wires.map(({ server }) => server);
    const messages = sum(sides.map((side) => side.messages));
    const most = sides.some(({ takesBytes }) => takesBytes) ? Infinity : messages;
    this.#agree("messages from clients", stats.messagesIn, messages, most);
    const received = sum(sides.map(({ in_ }) => in_.received));
    this.#agree("bytes from clients", stats.bytesIn, received, Infinity);
    const sent = sides.flatMap(({ out }) => out.sent);
    const taken = sent.filter(({ state }) => state === "accepted");
    const lengths = (all: typeof sent) => sum(all.map(({ wire }) => wire.length));
    this.#agree("bytes to clients", stats.bytesOut, lengths(taken), lengths(sent));
    const { listening, clients, open, waiting, buffered, queued } = stats;
    this.#agree("what is left", listening + clients + open + waiting + buffered + queued, 0, 0);
  }

  #agree(what: string, counted: number, least: number, most: number): void {
    if (counted >= least && counted <= most) return;
    this.#violate(`a listener counts ${counted} ${what}, which are ${least} to ${most}`);
  }

  /** A listener has ended, and everything of it. */
  atEnd(listener: ListenerRecord): void {
    const { shutDownAt, shutdownTimeout, failed } = listener;
    const { jumps } = this.#around;
    if (failed) return;
    for (const wire of this.wires) {
      if (wire.listener !== listener || wire.peer === undefined) continue;
      // A mistake at its very beginning: there is no connection to tell of.
      if (wire.told.length === 0 && wire.crashed) continue;
      if (wire.told.length !== 1) {
        this.#violate(`the end of ${wire.id} was told ${wire.told.length} times`);
      }
      if (wire.server.watched && wire.server.over === undefined) {
        this.#violate(`${wire.server.name} does not settle "closed"`);
      }
      const latest = (shutDownAt ?? Infinity) + shutdownTimeout + LAST_WRITE_TIMEOUT + LATE;
      const now = wire.server.now();
      if (!jumps && now > latest) {
        this.#violate(`a shutdown takes until ${now} instead of ${latest}`);
      }
    }
  }

  /** Everything is over. */
  atLast(): void {
    for (const { server, client } of this.wires) {
      for (const side of [server, client]) {
        if (side.lost) continue;
        if (side.open > 0) this.#violate(`${side.open} calls of ${side.name} never settle`);
        if (side.held && side.over === undefined) this.#violate(`${side.name} never ends`);
      }
    }
  }

  /** What its server has taken and its program has not received is bounded. */
  checkAhead(wire: Wire): void {
    const { in_, sawEnd, deaf, ending } = wire.server;
    if (!wire.accepted || sawEnd || deaf || ending) return;
    const ahead = wire.taken - in_.received;
    if (!wire.faulty && !wire.tainted && ahead > this.#mostAhead(wire)) {
      this.#violate(`${wire.id}: the server has read ${ahead} B ahead`);
    }
    const { maxMessage } = wire.listener.limits;
    if (
      this.#around.shape.framing !== undefined && wire.server.decodes && !in_.spoiled &&
      ahead > maxMessage + wire.chunk + HEAD
    ) {
      this.#violate(`${wire.id}: the server keeps ${ahead} B of a message that is too long`);
    }
  }

  #mostAhead({ server, chunk }: Wire): number {
    const { framing, type } = this.#around.shape;
    // What is received in parts is one thing, and what is read ahead another.
    const [next, second] = server.in_.nextLengths;
    if (framing !== undefined || type === "byte") return 2 * chunk + next;
    return server.in_.isWhole ? next : next + second;
  }

  /** A server keeps its limit, and gives others their turn. */
  #mayGet(side: Side, { length }: Uint8Array): void {
    const { task, shape } = this.#around;
    if (length > side.wire.listener.limits.maxMessage) {
      this.#violate(`${side.name} gets ${length} B, which is too long`);
    }
    side.inTask = side.task === task ? side.inTask + 1 : 1;
    side.task = task;
    // One that was read ahead, and the next.
    if (shape.framing === undefined && side.inTask > 2) {
      this.#violate(`I9: ${side.name} gets ${side.inTask} messages in one turn`);
    }
  }

  #receives(wrong: string | undefined): void {
    if (wrong !== undefined) this.#violate(wrong);
  }

  /** Whoever waits gets what there is, and who sends is released when the other end reads. */
  #stands(side: Side): void {
    const { wire, in_, other } = side;
    if (wire.tainted || wire.faulty || wire.evicted || side.gone || side.lost) return;
    if (side.over !== undefined || side.sawEnd) return;
    const own = this.#causes(side).some((reason) => reason !== "peer");
    if (own || this.#causes(other).some((reason) => reason !== "peer")) return;
    if (side.waiting === 0 || this.#waitsForRoom(side)) return;
    const lost = in_.awaited;
    if (lost !== undefined) {
      this.#violate(`${side.name} waits, and does not get ${describe(lost.bytes)}`);
    }
    if (in_.finished || other.gone) this.#violate(`${side.name} waits, and does not see the end`);
    const open = in_.open.find(({ loose }) => !loose);
    if (open !== undefined && !other.gone) {
      this.#violate(`${other.name} still sends ${describe(open.bytes)}, though ${side.name} waits`);
    }
  }

  /** Whether what it is to get may wait until others have received what they have. */
  #waitsForRoom({ wire, isServer }: Side): boolean {
    // The rest of what was withdrawn may never come.
    const holds = ({ waiting, in_ }: Side) =>
      waiting === 0
        ? in_.awaited !== undefined
        : in_.sent.some(({ state }) => state === "withdrawn");
    return isServer && wire.listener.limits.maxBuffered < Infinity &&
      this.wires.some(({ listener, server }) =>
        listener === wire.listener && !server.gone && holds(server)
      );
  }

  #explain(side: Side, reason: CloseReason, error: unknown): void {
    const { wire } = side;
    if (this.#causes(side).includes(reason) || side.lost) return;
    if (reason === "unauthorized" && wire.verdict === "refused") return;
    this.#violate(`${side.name} (${wire.owner}) ended by "${reason}" (${error}), which cannot be`);
  }

  /** Why a connection may have ended, as its end would be told. */
  #causes(side: Side): CloseReason[] {
    const { wire, isServer } = side;
    const causes: CloseReason[] = [];
    const add = (may: boolean, ...reasons: CloseReason[]) => {
      if (may) causes.push(...reasons);
    };
    const touched = wire.tainted !== undefined || wire.faulty;
    add(side.other.gone || wire.evicted || touched, "peer");
    // What is lost with a disconnect may be the rest of a frame.
    add(wire.evicted, "error");
    add(side.ending || side.halfClosed && (side.in_.finished || side.deaf), "self");
    add(touched, "error", "maxMessage");
    add(this.#isCut(side), "error");
    // A shortage that prevents a write is another reason after that time.
    add(this.#isUnread(side), "writeTimeout", "error");
    if (!isServer) {
      add(side.lost, "stopped", "error");
      return causes;
    }
    const { listener } = wire;
    const { limits } = listener;
    if (this.#isLeftOver(wire)) causes.push(listener.closedAs ?? "self");
    add(this.#shutdownTimedOut(listener), "shutdown");
    add(listener.stoppedAt !== undefined, "stopped");
    add(listener.failed, "stopped", "error");
    add(side.full, "maxQueued");
    add(this.#crowd(wire) > limits.maxPerProcess, "maxPerProcess");
    add(side.idled || side.idle + EPSILON >= limits.idleTimeout, "idleTimeout");
    return causes;
  }

  /** Nobody will accept it any more. */
  #isLeftOver({ accepted, listener }: Wire): boolean {
    return !accepted && listener.closedAt !== undefined;
  }

  #shutdownTimedOut({ shutDownAt, shutdownTimeout }: ListenerRecord): boolean {
    const [wire] = this.wires;
    return shutDownAt !== undefined && wire !== undefined &&
      wire.server.now() >= shutDownAt + shutdownTimeout;
  }

  /** Whether the other end may have ended in the middle of a message. */
  #isCut({ in_, other }: Side): boolean {
    const ended = other.gone || other.ending || other.over !== undefined;
    return in_.sent.some(({ state }) => state === "failed" || state === "open" && ended);
  }

  /** Whether a message may be unread for so long. */
  #isUnread(side: Side, time: number = side.writeTimeout): boolean {
    const { out, slow } = side;
    const now = side.now();
    return slow || side.halfClosedAt + time <= now ||
      out.sent.some(({ state, at }) =>
        (state === "open" || state === "failed") && at + time <= now
      );
  }

  /** The most connections that its process may have had at once. */
  #crowd({ process, listener }: Wire): number {
    return this.wires.filter((other) => other.process === process && other.listener === listener)
      .length;
  }

  #violate(what: string): void {
    this.#around.violate(what);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/** Reasons for which nobody is disconnected: what Windows has accepted stays readable. */
const GENTLE: ReadonlySet<CloseReason> = new Set<CloseReason>(["self", "stopped", "shutdown"]);
