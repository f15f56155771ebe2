/**
 * Opens a pipe: one attempt after the other, with pauses, until it is open or there is no hope.
 *
 * @module
 */

import { isBelowPipe, systemError, timedOut } from "../kernel/errors.ts";
import type { Handle } from "../kernel/kernel.ts";
import { isEnd, isShortage, Status } from "../kernel/status.ts";
import { Backoff } from "../loop/backoff.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import type { ClientSettings } from "../options/options.ts";
import type { OpenPipe } from "../pipe/connection.ts";

/** The longest pause between two attempts to open a pipe, in milliseconds. */
const LONGEST_PAUSE = 50;

/** Why a pipe that was opened cannot be used. */
type Refusal = { readonly status: number; readonly call: string };

/** How an attempt went: the pipe is open with SUCCESS. */
type Attempted = Refusal & OpenPipe;

/** One attempt after the other, with pauses, until a pipe is open or there is no hope. */
export class Attempt implements LoopUser {
  readonly #loop: WaitLoop;
  readonly #settings: ClientSettings;
  #giveUp: ((error: unknown) => void) | undefined = undefined;
  #failure: Error | undefined = undefined;

  constructor(loop: WaitLoop, settings: ClientSettings) {
    this.#loop = loop;
    this.#settings = settings;
  }

  async open(signal: AbortSignal | undefined): Promise<OpenPipe> {
    const { kernel } = this.#loop;
    const owner = this.#expectedOwner();
    const deadline = kernel.now() + this.#settings.timeout;
    for (const backoff = new Backoff(LONGEST_PAUSE);;) {
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const { status, call, handle, type } = this.#openOnce(owner);
      if (status === Status.SUCCESS) return { handle, type };
      const left = deadline - kernel.now();
      if (!this.#passes(status) || left <= 0) throw this.#error(call, status);
      await this.#pause(Math.min(backoff.next(), left), signal);
    }
  }

  /** See {@linkcode LoopUser}. */
  failed({ call, status }: WaitFailure): void {
    this.#fail(systemError("Cannot connect to", call, this.#settings.path, status));
  }

  /** See {@linkcode LoopUser}. */
  abandoned(): void {
    this.#fail(
      new Deno.errors.Interrupted(
        `Cannot connect to "${this.#settings.path}": the program is being unloaded`,
      ),
    );
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#giveUp?.(error);
  }

  #openOnce(owner: string | undefined): Attempted {
    const { kernel } = this.#loop;
    const { status, handle } = kernel.open(this.#settings.path);
    const opened = { status, call: "CreateFileW", handle, type: "message" } as const;
    if (status !== Status.SUCCESS) return opened;
    const unowned = owner === undefined ? undefined : this.#checkOwner(handle, owner);
    // Without this, messages that wait to be read run together.
    const kept = unowned === undefined ? kernel.keepMessages(handle) : Status.SUCCESS;
    // A byte pipe cannot keep messages apart.
    if (kept === Status.INVALID_PARAMETER) return { ...opened, type: "byte" };
    const refusal = unowned ??
      (kept === Status.SUCCESS ? undefined : { status: kept, call: "SetNamedPipeHandleState" });
    if (refusal === undefined) return opened;
    kernel.close(handle);
    if (refusal instanceof Error) throw refusal;
    return { ...opened, ...refusal };
  }

  /** The SID of who must own the pipe. */
  #expectedOwner(): string | undefined {
    const { server, path } = this.#settings;
    if (server !== "current-user") return server?.sid;
    const { status, call, text } = this.#loop.kernel.ownUser();
    if (status === Status.SUCCESS) return text;
    throw systemError("Cannot determine the current user for", call, path, status);
  }

  /** Who makes a pipe cannot give it to another user: only a very privileged program can. */
  #checkOwner(handle: Handle, expected: string): Refusal | Error | undefined {
    const { status, call, text } = this.#loop.kernel.owner(handle);
    if (status !== Status.SUCCESS) return { status, call };
    if (text === expected) return undefined;
    return new Deno.errors.PermissionDenied(
      `Cannot connect to "${this.#settings.path}": it is owned by ${text}, and not by ${expected}`,
    );
  }

  /** Whether it is worth another attempt: also when the server ended the connection at once. */
  #passes(status: number): boolean {
    const { path, missing } = this.#settings;
    return status === Status.BUSY || isShortage(status) || isEnd(status) ||
      missing === "wait" && (status === Status.NOT_FOUND || isBelowPipe(status, path));
  }

  #error(call: string, status: number): Error {
    const { path } = this.#settings;
    return status === Status.BUSY
      ? timedOut("Cannot connect to", call, path, status)
      : systemError("Cannot connect to", call, path, status);
  }

  #pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { kernel } = this.#loop;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = kernel.startTimer(Math.ceil(milliseconds), resolve);
    const abort = () => this.#giveUp?.(signal?.reason);
    this.#giveUp = (error) => {
      kernel.stopTimer(timer);
      reject(error);
    };
    signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }
}
