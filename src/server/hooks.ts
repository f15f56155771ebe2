/**
 * Calls the hooks of a server's user.
 *
 * @module
 */

import { askHook, callHook, HookReports } from "./user_code.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ServerClient } from "./client.ts";
import type { CloseReason } from "../pipe/close_reason.ts";
import type { ServerOptions } from "./options.ts";

/** The end of a connection, for `onDisconnect`. */
interface End {
  readonly client: ServerClient;
  readonly reason: CloseReason;
  readonly error: Error | undefined;
}

/** See the module. */
export class ServerHooks {
  readonly #options: ServerOptions;
  readonly #loop: WaitLoop;
  readonly #onCalled: () => void;
  readonly #reports = new HookReports();
  /** Ends that `onDisconnect` has not been called for. */
  readonly #pending: End[] = [];

  /** @param onCalled Called after each call of `onDisconnect`. */
  constructor(options: ServerOptions, loop: WaitLoop, onCalled: () => void) {
    this.#options = options;
    this.#loop = loop;
    this.#onCalled = onCalled;
  }

  /** Whether the program decides about each client. */
  get authorizes(): boolean {
    return this.#options.authorize !== undefined;
  }

  /** Whether the program gets every client by a hook. */
  get showsClients(): boolean {
    const { onConnect, onDisconnect } = this.#options;
    return this.authorizes || onConnect !== undefined || onDisconnect !== undefined;
  }

  /** Whether `onDisconnect` is still to be called. */
  get busy(): boolean {
    return this.#pending.length > 0;
  }

  /** Clients can connect. */
  listening(path: string): void {
    callHook(this.#fail("onListen"), this.#options.onListen, { path });
  }

  /** Asks the program whether to admit a client. */
  authorize(client: ServerClient, answered: (yes: boolean, error?: unknown) => void): void {
    const { authorize = () => true } = this.#options;
    askHook("authorize", this.#fail("authorize"), authorize, answered, client);
  }

  /** A client is there, and its first request is not delivered yet. */
  connected(client: ServerClient): void {
    callHook(this.#fail("onConnect"), this.#options.onConnect, client);
  }

  /**
   * A connection has ended. `onDisconnect` is called in a turn of its own: the last request of the
   * client may still be on its way to the program, and is delivered by then.
   */
  disconnected(client: ServerClient, reason: CloseReason, error: Error | undefined): void {
    if (this.#options.onDisconnect === undefined) return;
    this.#pending.push({ client, reason, error });
    this.#loop.atNextTurn(() => this.#callNext());
  }

  /** There are no further turns: makes all pending calls now. */
  flush(): void {
    while (this.busy) this.#callNext();
  }

  /** The server has ended: reports the errors that were only counted. */
  close(): void {
    this.#reports.close();
  }

  /** Reports what a hook throws. */
  #fail(hook: string): (error: unknown) => void {
    return (error) => this.#reports.add(hook, error);
  }

  #callNext(): void {
    const end = this.#pending.shift();
    if (end === undefined) return;
    const { client, reason, error } = end;
    callHook(this.#fail("onDisconnect"), this.#options.onDisconnect, client, reason, error);
    this.#onCalled();
  }
}
