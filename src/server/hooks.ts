/**
 * What a server asks and tells its user.
 *
 * @module
 */

import { askHook, callHook, HookReports } from "./user_code.ts";
import type { WaitLoop } from "../loop/wait_loop.ts";
import type { ServerClient } from "./client.ts";
import type { DisconnectReason } from "./end_reasons.ts";
import type { ServerOptions } from "./options.ts";

/** The end of a connection. */
interface End {
  readonly client: ServerClient;
  readonly reason: DisconnectReason;
  readonly error: Error | undefined;
}

/** See the module. */
export class ServerHooks {
  readonly #options: ServerOptions;
  readonly #loop: WaitLoop;
  readonly #onTold: () => void;
  readonly #reports = new HookReports();
  /** Ends that `onDisconnect` is still to be told of. */
  readonly #untold: End[] = [];

  /** @param onTold Called after each end that was told. */
  constructor(options: ServerOptions, loop: WaitLoop, onTold: () => void) {
    this.#options = options;
    this.#loop = loop;
    this.#onTold = onTold;
  }

  /** Whether the program decides about each client. */
  get authorizes(): boolean {
    return this.#options.authorize !== undefined;
  }

  /** Whether an end is still to be told. */
  get busy(): boolean {
    return this.#untold.length > 0;
  }

  /** Clients can connect. */
  listening(path: string): void {
    callHook(this.#fail("onListen"), this.#options.onListen, { path });
  }

  /** Asks the program whether to let a client in. */
  authorize(client: ServerClient, answered: (yes: boolean, error?: unknown) => void): void {
    const { authorize = () => true } = this.#options;
    askHook("authorize", this.#fail("authorize"), authorize, answered, client);
  }

  /**
   * A connection is over, which is told in a turn of its own: the last request of its client may be
   * on its way to whoever answers it, and is there by then.
   */
  disconnected(client: ServerClient, reason: DisconnectReason, error: Error | undefined): void {
    if (this.#options.onDisconnect === undefined) return;
    this.#untold.push({ client, reason, error });
    this.#loop.atNextTurn(() => this.#tell());
  }

  /** There are no further turns: tells what is still to be told. */
  flush(): void {
    while (this.busy) this.#tell();
  }

  /** The server has ended: tells of errors that were not reported one by one. */
  close(): void {
    this.#reports.close();
  }

  /** What hooks throw is reported. */
  #fail(hook: string): (error: unknown) => void {
    return (error) => this.#reports.add(hook, error);
  }

  #tell(): void {
    const end = this.#untold.shift();
    if (end === undefined) return;
    const { client, reason, error } = end;
    callHook(this.#fail("onDisconnect"), this.#options.onDisconnect, client, reason, error);
    this.#onTold();
  }
}
