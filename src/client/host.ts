/**
 * The server at the other end of a client's connection.
 *
 * @module
 */

import type { WaitLoop } from "../loop/wait_loop.ts";
import type { PipePeer } from "../pipe/peer.ts";
import type { ClientLink } from "./client_link.ts";

/** The server that a client is connected to. */
export interface PipeHost extends PipePeer {
  /**
   * The SID of the owner of the pipe, `S-1-…`. The option `owner` of {@linkcode connect} checks it
   * before anything is sent.
   *
   * @throws {Deno.errors.Interrupted} If the connection has ended before this was first called.
   * @throws {Deno.errors.NotCapable} Without the permission for advapi32.
   * @throws {WindowsError} If Windows does not report it.
   */
  owner(): string;
}

/** See {@linkcode PipeHost}. */
export class Host implements PipeHost {
  constructor(_loop: WaitLoop, _link: ClientLink, _settings: { path: string }) {
  }
  get processId(): number | undefined {
    return undefined;
  }
  get sessionId(): number | undefined {
    return undefined;
  }
  executable(): string | undefined {
    return undefined;
  }
  owner(): string {
    return "";
  }
}
