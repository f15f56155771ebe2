/**
 * Whether what a listener reports and counts agrees with what is known of its connections.
 *
 * @module
 */

import type { ServerStats } from "../../src/server/stats.ts";
import type { ShutdownReport } from "../../src/server/tally.ts";
import type { Causes } from "./causes.ts";
import { sum } from "./records.ts";
import type { ListenerRecord, Surroundings, Wire } from "./sides.ts";

/** See the module. */
export class ListenerAccounts {
  readonly #around: Surroundings;
  readonly #wires: readonly Wire[];
  readonly #causes: Causes;

  constructor(around: Surroundings, wires: readonly Wire[], causes: Causes) {
    this.#around = around;
    this.#wires = wires;
    this.#causes = causes;
  }

  /** A shutdown reports what it did. */
  reported({ exchanges, evicted, dropped }: ShutdownReport, listener: ListenerRecord): void {
    const wires = this.#wires.filter((wire) => wire.listener === listener);
    const sure = wires.filter(({ accepted, told }) => accepted && told.includes("shutdown"));
    const most = this.#causes.shutdownTimedOut(listener)
      ? wires.filter(({ peer }) => peer).length
      : 0;
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
    const wires = this.#wires.filter((wire) => wire.listener === listener);
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

  #violate(what: string): void {
    this.#around.violate(what);
  }
}
