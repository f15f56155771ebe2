/**
 * Opens a pipe, with one attempt after another until the time runs out.
 *
 * @module
 */

import { isBelowPipe, systemError, timedOut } from "../kernel/errors.ts";
import type { Handle } from "../kernel/kernel.ts";
import { isEnd, isShortage, Status } from "../kernel/status.ts";
import { Backoff } from "../loop/backoff.ts";
import type { OpenLoop } from "../loop/isolate.ts";
import type { LoopUser, WaitFailure, WaitLoop } from "../loop/wait_loop.ts";
import type { ClientSettings } from "../options/client_settings.ts";
import { Connection } from "../pipe/connection.ts";
import { verifiedFraming } from "../pipe/framing/framings.ts";
import { ClientLink } from "./client_link.ts";
import { Host } from "./host.ts";

/** The longest pause between two attempts to open a pipe, in milliseconds. */
const LONGEST_PAUSE = 50;

/** A call that failed. */
type Failure = { readonly status: number; readonly call: string };

/** The result of one attempt: with SUCCESS the pipe is open. */
type Attempt = Failure & { readonly handle: Handle; readonly type: "message" | "byte" };

/** A client's connection. */
export type ClientConnection = Connection<Host>;

/** See the module. */
export class PipeOpener implements LoopUser {
  readonly #loop: WaitLoop;
  readonly #settings: ClientSettings;
  readonly #openLoop: OpenLoop;
  #endPause: ((error: unknown) => void) | undefined = undefined;
  #failure: Error | undefined = undefined;

  /** @param open Opens the loop, if its connection needs more of Windows. */
  constructor(loop: WaitLoop, settings: ClientSettings, open: OpenLoop) {
    this.#loop = loop;
    this.#openLoop = open;
    this.#settings = settings;
  }

  /**
   * Opens the pipe. To be called once.
   *
   * @returns The connection, which has joined the loop: before this resolves, the program may go
   *   away, and then the pipe has to be closed.
   */
  async open(signal: AbortSignal | undefined): Promise<ClientConnection> {
    const { kernel } = this.#loop;
    const owner = this.#expectedOwner();
    const deadline = kernel.now() + this.#settings.connectTimeout;
    for (const backoff = new Backoff(LONGEST_PAUSE);;) {
      signal?.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const { status, call, handle, type } = this.#openOnce(owner);
      if (status === Status.SUCCESS) {
        return this.#connect(handle, type);
      }
      const left = deadline - kernel.now();
      if (!this.#isTemporary(status) || left <= 0) throw this.#error(call, status);
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

  #connect(handle: Handle, type: "message" | "byte"): ClientConnection {
    const { framing } = this.#settings;
    const settings = {
      ...this.#settings,
      framing: framing && verifiedFraming(framing),
      type,
      maxQueued: Infinity,
    };
    const link = new ClientLink(this.#loop, settings, handle);
    return new Connection(
      link.duplex,
      settings,
      new Host(link, this.#settings.path, this.#openLoop),
    );
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#endPause?.(error);
  }

  #openOnce(owner: string | undefined): Attempt {
    const { kernel } = this.#loop;
    const { status, handle } = kernel.open(this.#settings.path, this.#settings);
    const opened = { status, call: "CreateFileW", handle, type: "message" } as const;
    if (status !== Status.SUCCESS) return opened;
    const wrongOwner = owner === undefined ? undefined : this.#checkOwner(handle, owner);
    // Otherwise messages that wait to be read would be joined.
    const kept = wrongOwner === undefined ? kernel.keepMessages(handle) : Status.SUCCESS;
    // A byte pipe cannot keep messages apart.
    const byte = kept === Status.INVALID_PARAMETER;
    if (byte && this.#settings.halfClose === "none") return { ...opened, type: "byte" };
    const failure = wrongOwner ?? (byte ? this.#noHalfClose() : undefined) ??
      (kept === Status.SUCCESS ? undefined : { status: kept, call: "SetNamedPipeHandleState" });
    if (failure === undefined) return opened;
    kernel.close(handle);
    if (failure instanceof Error) throw failure;
    return { ...opened, ...failure };
  }

  #noHalfClose(): Error {
    return new Deno.errors.NotSupported(
      `Cannot connect to "${this.#settings.path}": a byte pipe has no empty messages (halfClose)`,
    );
  }

  /** The SID of the user that must own the pipe; undefined: any may. */
  #expectedOwner(): string | undefined {
    const { owner, path } = this.#settings;
    if (owner !== "current-user") return owner?.sid;
    const { status, call, text } = this.#loop.kernel.ownUser();
    if (status === Status.SUCCESS) return text;
    throw systemError("Cannot determine the current user for", call, path, status);
  }

  /** Only a highly privileged program can create a pipe that another user owns. */
  #checkOwner(handle: Handle, expected: string): Failure | Error | undefined {
    const { status, call, text } = this.#loop.kernel.owner(handle);
    if (status !== Status.SUCCESS) return { status, call };
    if (text === expected) return undefined;
    return new Deno.errors.PermissionDenied(
      `Cannot connect to "${this.#settings.path}": it is owned by ${text}, and not by ${expected}`,
    );
  }

  /** Whether another attempt may succeed: also when the server ended the connection at once. */
  #isTemporary(status: number): boolean {
    const { path, missing } = this.#settings;
    return status === Status.BUSY || isShortage(status) || isEnd(status) ||
      missing === "wait" && (status === Status.NOT_FOUND || isBelowPipe(status, path));
  }

  #error(call: string, status: number): Error {
    const { path, missing, connectTimeout } = this.#settings;
    if (status === Status.BUSY) return timedOut("Cannot connect to", call, path, status);
    const waited = status === Status.NOT_FOUND && missing === "wait" && connectTimeout > 0
      ? `there is no pipe of this name, and none was created within ${connectTimeout} ms`
      : undefined;
    return systemError("Cannot connect to", call, path, status, waited);
  }

  #pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const { kernel } = this.#loop;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = kernel.startTimer(Math.ceil(milliseconds), resolve, this.#settings.path);
    const abort = () => this.#endPause?.(signal?.reason);
    this.#endPause = (error) => {
      kernel.stopTimer(timer);
      reject(error);
    };
    signal?.addEventListener("abort", abort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", abort));
  }
}
