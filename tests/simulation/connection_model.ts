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
import { Causes } from "./causes.ts";
import type { Sent } from "./flow.ts";
import { ListenerAccounts } from "./listener_accounts.ts";
import { describe, IDENTITY } from "./messages.ts";
import {
  type ListenerRecord,
  type Side,
  type Surroundings,
  type TaskClock,
  Wire,
} from "./sides.ts";
import { Standstill } from "./standstill.ts";

/** Milliseconds that a shutdown may take longer than its timeout, with turns that are late. */
const LATE = 2_000;

/** Bytes that a frame has besides its message, at most. */
const HEAD = 64;

/** See the module. */
export class ConnectionModel {
  readonly wires: Wire[] = [];
  readonly accounts: ListenerAccounts;
  readonly #around: Surroundings;
  readonly #causes = new Causes(this.wires);
  readonly #standstill: Standstill;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#standstill = new Standstill(around, this.wires, this.#causes);
    this.accounts = new ListenerAccounts(around, this.wires, this.#causes);
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
    if (this.#causes.of(side).length === 0) side.out.flush();
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
    const causes = this.#causes.of(side);
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
    const told = aborted || stoppedAt !== undefined || this.#causes.of(side).length > 0;
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
    const causes = this.#causes.of(side);
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
    if (this.#causes.of(side).some((reason) => reason !== "self")) return;
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
    const causes = this.#causes.of(wire.server);
    wire.evicted = true;
    const { verdict, listener } = wire;
    const last = Math.min(wire.server.writeTimeout, LAST_WRITE_TIMEOUT);
    const may = causes.some((reason) => !GENTLE.has(reason)) || verdict === "refused" ||
      this.#causes.isLeftOver(wire) || this.#causes.shutdownTimedOut(listener) ||
      this.#causes.isUnread(wire.server, last);
    if (!may) this.#violate(`${wire.id} is disconnected, though it did nothing wrong`);
  }

  /** Nothing happens any more but what time brings. */
  atStandstill(): void {
    this.#standstill.check();
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
      const must = accepted && !server.gone && this.#causes.of(server).length === 0;
      if (must && !listed) this.#violate(`${wire.id} is connected, and not listed`);
    }
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

  #explain(side: Side, reason: CloseReason, error: unknown): void {
    const { wire } = side;
    if (this.#causes.of(side).includes(reason) || side.lost) return;
    if (reason === "unauthorized" && wire.verdict === "refused") return;
    this.#violate(`${side.name} (${wire.owner}) ended by "${reason}" (${error}), which cannot be`);
  }

  #violate(what: string): void {
    this.#around.violate(what);
  }
}

/** Reasons for which nobody is disconnected: what Windows has accepted stays readable. */
const GENTLE: ReadonlySet<CloseReason> = new Set<CloseReason>(["self", "stopped", "shutdown"]);
