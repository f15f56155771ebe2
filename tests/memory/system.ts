/**
 * The system of `src/testing/`, with raw ends for tests.
 *
 * @module
 */

import type { Identity } from "../../src/kernel/kernel.ts";
import type { Opening, Terms } from "../../src/testing/memory/end.ts";
import type { Program } from "../../src/testing/memory/processes.ts";
import { System } from "../../src/testing/memory/system.ts";
import { RawClient, type RawEnd, RawServer } from "./raw.ts";

/** What a raw server's end is created with; what is left out is a roomy message pipe. */
export interface RawServerOptions extends Partial<Terms> {
  /** The name must not exist. */
  readonly first?: boolean;
}

/** How a raw client's end starts; it has a process that nobody else is in unless told. */
export interface RawClientOptions extends Opening {
  /** Read mode: `"message"` unless told, for the sake of short tests; Windows begins in bytes. */
  readonly mode?: "message" | "byte";
  /** Who that process is; {@linkcode USER} unless told. */
  readonly identity?: Identity;
  /** What that process runs, if it is a new one. */
  readonly program?: Program;
}

/** A system in memory, pipes of which tests can work by hand. */
export class MemorySystem extends System {
  readonly #rawEnds: RawEnd[] = [];

  /** A client for tests. It throws an error with the status when it cannot connect. */
  connect(path: string, options: RawClientOptions = {}): RawClient {
    const process = options.process ?? this.newProcess(options.identity, options.program);
    const { status, end } = this.open(path, { ...options, process });
    if (end === undefined) throw new Error(`cannot connect to "${path}": status ${status}`);
    const client = new RawClient(end);
    this.#rawEnds.push(client);
    if (options.mode !== "byte") client.keepMessages(true);
    return client;
  }

  /** One server's end for tests, byte pipes and crowded names included. */
  serve(path: string, options: RawServerOptions = {}): RawServer {
    const terms: Terms = {
      messages: options.messages ?? true,
      direction: options.direction ?? "both",
      most: options.most ?? 255,
      readBufferSize: options.readBufferSize ?? 65_536,
      writeBufferSize: options.writeBufferSize ?? 65_536,
      process: options.process ?? this.newProcess(),
    };
    const { status, end } = this.create(path, terms, options.first ?? false);
    if (end === undefined) throw new Error(`cannot serve "${path}": status ${status}`);
    const server = new RawServer(end);
    this.#rawEnds.push(server);
    return server;
  }

  /** Closes the ends that tests have left open. */
  closeRawEnds(): void {
    for (const end of this.#rawEnds) if (!end.closed) end.close();
  }
}
