/**
 * The other end of libraries of Node: node.exe with the same libraries, see
 * `tests/foreign/node_peer.mjs`; and of HTTP, in node.exe or bun.exe, see
 * `tests/foreign/http_peer.mjs`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { foreignPrograms } from "../win32/foreign.ts";
import { within } from "./support.ts";

const { node, bun, libraries } = await foreignPrograms();

const RUNTIMES = { node, bun } as const;

/** See the module. */
export class NodePeer implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly #verdict = `${this.#folder}\\verdict`;
  readonly #child: Deno.ChildProcess;

  /**
   * @param role What the script is to do at the pipe.
   * @param script The file in `tests/foreign`.
   * @param runtime Who runs it.
   */
  constructor(
    role: string,
    path: string,
    script = "node_peer.mjs",
    runtime: keyof typeof RUNTIMES = "node",
  ) {
    const file = fileURLToPath(new URL(`../foreign/${script}`, import.meta.url));
    this.#child = new Deno.Command(RUNTIMES[runtime], {
      args: [file, role, path, this.#verdict, libraries],
      stdin: "null",
      // Under Wine, node.exe cannot write to a pipe of Linux.
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  /** It has ended, and seen what it expects. */
  async succeeded(): Promise<void> {
    const { code } = await within("the end of the peer", this.#child.status, 250_000);
    const verdict = await Deno.readTextFile(this.#verdict).catch(() => "nothing");
    assertEquals([verdict, code], ["done", 0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
