/**
 * Clients that use this module: connect(), and then a talk.
 *
 * @module
 */

import { connectOn } from "../../src/client/connect.ts";
import type { ClientConnection } from "../../src/client/pipe_opener.ts";
import type { OpenLoop } from "../../src/loop/isolate.ts";
import { OPPOSITE } from "../../src/testing/memory/end.ts";
import type { Wire } from "./sides.ts";
import type { Acting } from "./scheduler.ts";
import type { Actor, Stage } from "./stage.ts";
import { Talker } from "./talkers.ts";

/** See the module. */
export class ModuleClient implements Actor, Acting {
  readonly name: string;
  readonly isRaw = false;
  /** Each client writes the pipe's name in its own way, so that it is known by it. */
  readonly path: string;
  readonly elsewhere: boolean;
  readonly writeTimeout: number;
  readonly #stage: Stage;
  #wire: Wire | undefined;
  #talker: Talker | undefined;
  #state: "new" | "connecting" | "connected" | "over" = "new";
  readonly #abort = new AbortController();

  constructor(stage: Stage, number: number) {
    const { random } = stage;
    this.#stage = stage;
    this.name = `module client ${number}`;
    this.path = spell(stage.path, number);
    this.elsewhere = random.chance(0.5);
    this.writeTimeout = random.pick([Infinity, Infinity, Infinity, 5, 500]);
  }

  get done(): boolean {
    return this.#state === "over" || this.#talker?.done === true;
  }

  act(): boolean {
    if (this.#state !== "new") return false;
    if (this.#stage.tidying) {
      this.#state = "over";
      return true;
    }
    this.#state = "connecting";
    const { open, openElsewhere } = this.#stage;
    this.#connect(this.elsewhere ? openElsewhere : open).catch((error) => {
      this.#state = "over";
      this.#stage.tell?.(`${this.name}: cannot connect: ${error}`);
    });
    return true;
  }

  end(): void {
    this.#abort.abort(new Error("planted: the client gives up"));
    if (this.#state === "new") this.#state = "over";
    this.#talker?.end();
  }

  /** The kernel has opened this client's end. */
  joined(wire: Wire): void {
    this.#wire = wire;
  }

  /** Its program goes away. */
  perish(): void {
    if (this.elsewhere) return;
    if (this.#wire !== undefined) this.#wire.client.lost = true;
    this.#state = "over";
  }

  async #connect(open: OpenLoop): Promise<void> {
    const { random, shape } = this.#stage;
    const conn: ClientConnection = await connectOn(open, {
      path: this.path,
      connectTimeout: random.pick([0, 20, 5_000]),
      missing: random.pick(["wait", "fail"]),
      direction: OPPOSITE[shape.direction],
      framing: shape.framing,
      halfClose: shape.halfClose,
      writeTimeout: this.writeTimeout,
      signal: this.#abort.signal,
    });
    const wire = this.#wire;
    if (wire === undefined) throw new Error("a connection that the kernel knows nothing of");
    this.#stage.tell?.(`${this.name} is connected as ${wire.id}`);
    this.#state = "connected";
    this.#talker = new Talker(this.#stage, this.name, conn, wire.client);
    this.#talker.start();
    if (this.#abort.signal.aborted) this.#talker.end();
  }
}

/** The name with upper-case letters where the number has ones: it is the same name. */
function spell(path: string, number: number): string {
  const prefix = path.lastIndexOf("\\") + 1;
  return [...path].map((letter, at) =>
    at >= prefix && (number + 1) >> (at - prefix) & 1 ? letter.toUpperCase() : letter
  ).join("");
}
