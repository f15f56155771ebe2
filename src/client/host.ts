/**
 * The server at the other end of a client's connection.
 *
 * @module
 */

import { systemError } from "../kernel/errors.ts";
import { Status } from "../kernel/status.ts";
import type { OpenLoop } from "../loop/isolate.ts";
import { Executable } from "../pipe/executable.ts";
import type { PipePeer } from "../pipe/peer.ts";
import type { ClientLink } from "./client_link.ts";

/** The server that a client is connected to. */
export interface PipeHost extends PipePeer {
  /**
   * The SID of the owner of the pipe, `S-1-…`. Asked when this is first called, and kept. To check it
   * before anything is sent, use the option `owner` of {@linkcode connect} instead.
   *
   * @throws {Deno.errors.Interrupted} If the connection has ended before this was first called.
   * @throws {Deno.errors.NotCapable} Without the permission for advapi32.
   * @throws {WindowsError} If Windows does not report it; `Deno.errors.PermissionDenied` where that
   *   fits.
   */
  owner(): string;
}

/** See {@linkcode PipeHost}. */
export class Host implements PipeHost {
  readonly processId: number | undefined;
  readonly sessionId: number | undefined;
  readonly #link: ClientLink;
  readonly #path: string;
  readonly #open: OpenLoop;
  readonly #executable: Executable;
  #owner: string | undefined = undefined;

  /** @param open Opens the loop again, with advapi32. */
  constructor(link: ClientLink, path: string, open: OpenLoop) {
    const { kernel } = link.loop;
    const { handle } = link.pipeEnd;
    this.#link = link;
    this.#path = path;
    this.#open = open;
    const since = kernel.now();
    this.processId = kernel.hostProcess(handle);
    this.sessionId = kernel.hostSession(handle);
    this.#executable = new Executable(link.loop, this.processId, since);
  }

  executable(): string | undefined {
    return this.#executable.path;
  }

  owner(): string {
    return this.#owner ??= this.#readOwner();
  }

  #readOwner(): string {
    if (this.#link.over) throw this.#link.errors.closed();
    const { kernel } = this.#open(this.#path, true);
    const { status, call, text } = kernel.owner(this.#link.pipeEnd.handle);
    if (status === Status.SUCCESS) return text;
    throw systemError("Cannot look up the owner of", call, this.#path, status);
  }
}
