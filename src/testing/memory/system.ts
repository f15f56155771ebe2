/**
 * The system that the processes share: one namespace of pipes.
 *
 * @module
 */

import type { Identity, PipeListing } from "../../kernel/kernel.ts";
import { Status } from "../../kernel/status.ts";
import { admits, Right } from "./access.ts";
import type { Ways } from "./channel.ts";
import type { ClientEnd } from "./client_end.ts";
import { type Opening, OPPOSITE, type Terms } from "./end.ts";
import { Name } from "./name.ts";
import { Processes, type Program } from "./processes.ts";
import { ServerEnd } from "./server_end.ts";

const PREFIX = "\\\\.\\pipe\\";

/** The longest name, its prefix counted. */
const LONGEST = 256;

/** As many instances as the system can hold. */
const UNLIMITED = 255;

const RIGHTS = {
  none: 0,
  read: Right.READ,
  write: Right.WRITE,
  both: Right.READ | Right.WRITE,
} as const;

function isName(path: string): boolean {
  // The prefix is a must, nearly anything may follow.
  return path.length > PREFIX.length && path.length <= LONGEST &&
    path.toLowerCase().startsWith(PREFIX);
}

/** An in-memory operating system: the namespace `\\.\pipe\`. */
export class System {
  readonly processes: Processes = new Processes();
  readonly #names = new Map<string, Name>();
  /** Who waits for a change of what opening a name brings, by name. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #connections = 0;
  /** What this system does where others do something else. */
  readonly ways: Ways = { takesEmpty: true, makesRoom: true, keepsPending: true };
  /** Whether the access rights of pipes are heeded. */
  checksAccess = false;

  /** A number for one more process. */
  newProcess(identity?: Identity, program?: Program): number {
    return this.processes.add({ identity, program });
  }

  /** How many connections came about. */
  get connections(): number {
    return this.#connections;
  }

  /** CreateNamedPipe. */
  create(path: string, terms: Terms, first: boolean): { status: number; end?: ServerEnd } {
    if (!isName(path)) return { status: Status.INVALID_NAME };
    const key = path.toLowerCase();
    let name = this.#names.get(key);
    if (name === undefined && this.#isBelow(key)) return { status: Status.INVALID_NAME };
    if (name !== undefined) {
      // The number is checked before the flag.
      if (name.terms.most < UNLIMITED && name.servers.size >= name.terms.most) {
        return { status: Status.BUSY };
      }
      const mayJoin = this.#admits(name, terms.process, Right.CREATE);
      if (first || !mayJoin || terms.direction !== name.terms.direction) {
        return { status: Status.ACCESS_DENIED };
      }
    } else {
      name = new Name(path, terms, this.ways, {
        died: () => {
          this.#names.delete(key);
          this.#changed(key);
        },
        offered: () => this.#changed(key),
      });
      this.#names.set(key, name);
    }
    return { status: Status.SUCCESS, end: new ServerEnd(name, terms) };
  }

  /** CreateFile. */
  open(path: string, opening: Opening = {}): { status: number; end?: ClientEnd } {
    const key = path.toLowerCase();
    const name = this.#names.get(key);
    if (name === undefined) {
      return { status: this.#isBelow(key) ? Status.INVALID_NAME : Status.NOT_FOUND };
    }
    const { direction = "both" } = opening;
    if (!this.#admits(name, opening.process, RIGHTS[direction])) {
      return { status: Status.ACCESS_DENIED };
    }
    const allowed = OPPOSITE[name.terms.direction ?? "both"];
    if (allowed !== "both" && direction !== "none" && direction !== allowed) {
      return { status: Status.ACCESS_DENIED };
    }
    // The instance that has been listening for the longest time. Or none.
    const [server] = name.listening;
    if (server === undefined) return { status: Status.BUSY };
    this.#connections++;
    return { status: Status.SUCCESS, end: server.admit(opening) };
  }

  /**
   * Calls back whenever opening a name would bring something else, until the returned function is
   * called: an instance begins to take a client, or the last one is closed.
   */
  whenChanged(path: string, callback: () => void): () => void {
    const key = path.toLowerCase();
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(callback));
    return () => {
      waiting.delete(callback);
      if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
    };
  }

  #changed(key: string): void {
    for (const callback of [...this.#waiting.get(key) ?? []]) callback();
  }

  #admits({ terms }: Name, process: number | undefined, wanted: number): boolean {
    if (!this.checksAccess) return true;
    const { processes } = this;
    const creator = processes.identityOf(terms.process ?? 0);
    const user = processes.identityOf(process ?? 0);
    return admits({ security: terms.security, creator, user, wanted });
  }

  /** Whether a part of a name is the name of a pipe: what follows would be inside of that. */
  #isBelow(key: string): boolean {
    return [...this.#names.keys()].some((name) => key.startsWith(`${name}\\`));
  }

  /** Whether a server handle of this name is open. */
  exists(path: string): boolean {
    return this.#names.has(path.toLowerCase());
  }

  /** How many server handles of a name are open, and how many of them take a client. */
  count(path: string): { servers: number; listening: number } {
    const name = this.#names.get(path.toLowerCase());
    return { servers: name?.servers.size ?? 0, listening: name?.listening.size ?? 0 };
  }

  /** The pipes there are, as {@linkcode listPipes} tells them. */
  readonly list = (): PipeListing => ({
    status: Status.SUCCESS,
    call: "FindNextFileW",
    pipes: [...this.#names.values()].map(({ path, servers }) => ({
      name: path.slice(PREFIX.length),
      instances: servers.size,
    })),
  });

  /** Names that exist: nothing, once all is closed. */
  get names(): string[] {
    return [...this.#names.keys()];
  }
}
