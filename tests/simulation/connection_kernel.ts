/**
 * A kernel that tells its history whose connection is whose.
 *
 * @module
 */

import type { Handle, OpenedToken } from "../../src/kernel/kernel.ts";
import { Status } from "../../src/kernel/status.ts";
import type { MemorySystem } from "../memory_kernel.ts";
import type { ClientEnd } from "../../src/testing/memory/client_end.ts";
import { ServerEnd } from "../../src/testing/memory/server_end.ts";
import { type Around, SimulatedKernel } from "./kernel.ts";

/** What a kernel tells of the connections on it. */
export interface Observer {
  /** A listener asks for the process of a client that it has met, in the order of their numbers. */
  met(end: ClientEnd): void;
  /** The server's handle of a connection is closed, or about to be disconnected. */
  serverGone(end: ClientEnd): void;
  /** Bytes of a client are taken out of the pipe. */
  taken(end: ClientEnd, bytes: number): void;
}

/** See the module. */
export class ConnectionKernel extends SimulatedKernel {
  readonly #around: Around & { readonly connections: Observer };
  readonly #reading = new Map<number, Handle>();

  constructor(
    name: string,
    system: MemorySystem,
    around: Around & { readonly connections: Observer },
  ) {
    super(name, system, around);
    this.#around = around;
  }

  override clientProcess(handle: Handle): number | undefined {
    const client = this.#clientOf(handle);
    if (client !== undefined) this.#around.connections.met(client);
    return super.clientProcess(handle);
  }

  /** A shortage keeps a session in a state that it hardly ever is in otherwise. */
  override openToken(handle: Handle): OpenedToken {
    const { random, rates } = this.#around;
    if (random.chance(rates.fails * 5)) this.failNext("openToken", Status.NO_SYSTEM_RESOURCES);
    return super.openToken(handle);
  }

  override read(handle: Handle, slot: number, size: number): number {
    this.#reading.set(slot, handle);
    return super.read(handle, slot, size);
  }

  override take(slot: number, target: Uint8Array<ArrayBuffer>): void {
    super.take(slot, target);
    const client = this.#clientOf(this.#reading.get(slot));
    if (client !== undefined) this.#around.connections.taken(client, target.length);
  }

  override disconnect(handle: Handle): number {
    return this.#goes(handle, () => super.disconnect(handle));
  }

  override close(handle: Handle): number {
    return this.#goes(handle, () => super.close(handle));
  }

  /** Somebody may come within the call. */
  #goes(handle: Handle, call: () => number): number {
    const end = this.endOf(handle);
    const before = this.#clientOf(handle);
    if (before !== undefined) this.#around.connections.serverGone(before);
    const status = call();
    const after = end instanceof ServerEnd ? end.client : undefined;
    if (after !== undefined && after !== before) this.#around.connections.serverGone(after);
    return status;
  }

  #clientOf(handle: Handle | undefined): ClientEnd | undefined {
    const end = handle === undefined ? undefined : this.endOf(handle);
    return end instanceof ServerEnd ? end.client : undefined;
  }
}
