/**
 * The processes of a system: who runs them, and what they run.
 *
 * @module
 */

import type { Identity } from "../../kernel/kernel.ts";

/** What a process runs. */
export interface Program {
  /** The path of its file. */
  readonly path: string;
  /** When it began, on the clock of whoever asks. */
  readonly began: number;
}

/** What is known of a process; what is left out is as for any other. */
export interface ProcessInit {
  /** Its number, which nobody has; the next free one unless told. */
  readonly id?: number | undefined;
  /** Who runs it. */
  readonly identity?: Identity | undefined;
  /** What it runs. */
  readonly program?: Program | undefined;
  /** The session that it is in. */
  readonly session?: number | undefined;
}

/** Who a process is, unless told. */
export const USER: Identity = {
  sid: "S-1-5-21-1-2-3-1001",
  integrity: 0x2000,
  elevated: false,
};

/** The session that a process is in, unless told. */
export const SESSION = 1;

/** See the module. */
export class Processes {
  /** Who a process is, unless told. */
  newIdentity: (process: number) => Identity = () => USER;
  readonly #identities = new Map<number, Identity>();
  readonly #programs = new Map<number, Program>();
  readonly #sessions = new Map<number, number>();
  readonly #accounts = new Map<string, string>();
  #last = 0;

  /** One more process. Returns its number. */
  add({ id = this.#next(), identity, program, session = SESSION }: ProcessInit): number {
    this.#identities.set(id, identity ?? this.newIdentity(id));
    this.#sessions.set(id, session);
    this.setProgram(id, program ?? { path: `C:\\programs\\${id}.exe`, began: 0 });
    return id;
  }

  /** Whether there is one of this number, or was. */
  has(process: number): boolean {
    return this.#identities.has(process);
  }

  /** Who a process is. */
  identityOf(process: number): Identity {
    return this.#identities.get(process) ?? this.newIdentity(process);
  }

  /** The session that a process is in. */
  sessionOf(process: number): number {
    return this.#sessions.get(process) ?? SESSION;
  }

  /** What a process runs, if the system tells. */
  programOf(process: number): Program | undefined {
    return this.#programs.get(process);
  }

  /** Gives the number of a process to another; undefined: it has ended, or may not be asked. */
  setProgram(process: number, program: Program | undefined): void {
    if (program === undefined) this.#programs.delete(process);
    else this.#programs.set(process, program);
  }

  /** The name of the account with this SID; undefined if nobody here has it. */
  accountOf(sid: string): string | undefined {
    const known = [...this.#identities.values()].some((identity) => identity.sid === sid);
    const name = `TEST\\${sid.slice(sid.lastIndexOf("-") + 1)}`;
    return this.#accounts.get(sid) ?? (known ? name : undefined);
  }

  /** Gives the account with this SID a name. */
  nameAccount(sid: string, name: string): void {
    this.#accounts.set(sid, name);
  }

  #next(): number {
    do this.#last += 4; while (this.has(this.#last));
    return this.#last;
  }
}
