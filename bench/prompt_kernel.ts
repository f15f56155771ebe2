/**
 * A system that answers every call at once, to see what is left: this module's own work.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { type Identified, type Kernel, Lane } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";

const REQUEST = new Uint8Array(64).fill(120);

const IDENTIFIED: Identified = {
  status: Status.SUCCESS,
  call: "",
  identity: { sid: "S-1-5-21-1", integrity: 0x2000, elevated: false },
};

/** So many clients come, and each asks again as soon as it is answered, until time is up. */
export class PromptKernel implements Kernel {
  #clients: number;
  #open = true;
  #handles = 0n;
  readonly #cancelled: boolean[][] = [[], []];
  readonly #pending: boolean[][] = [[], []];
  readonly #sizes: number[] = [];

  constructor(clients: number) {
    this.#clients = clients;
  }

  /** From now on every client leaves. */
  end(): void {
    this.#open = false;
  }

  create = () => ({ status: Status.SUCCESS, handle: ++this.#handles });
  open = () => ({ status: Status.NOT_FOUND, handle: 0n });
  keepMessages = () => Status.SUCCESS;
  type = () => "message" as const;
  exists = () => false;
  listen(_handle: bigint, slot: number): number {
    if (this.#clients > 0) {
      this.#clients--;
      return Status.ALREADY_CONNECTED;
    }
    return this.#pend(Lane.IN, slot);
  }
  read(_handle: bigint, slot: number, _size: number): number {
    if (!this.#open) return Status.BROKEN;
    this.#sizes[slot] = REQUEST.length;
    return Status.SUCCESS;
  }
  write = () => Status.SUCCESS;
  cancel(_handle: bigint, lane: Lane, slot: number): number {
    if (!this.#pending[lane]?.[slot]) return Status.NOTHING_TO_CANCEL;
    const cancelled = this.#cancelled[lane];
    if (cancelled !== undefined) cancelled[slot] = true;
    return Status.SUCCESS;
  }
  peek = () => ({ status: Status.SUCCESS, left: 0 });
  clientProcess = () => 1;
  clientSession = () => 1;
  hostProcess = () => 1;
  hostSession = () => 1;
  executable = () => undefined;
  serverProcess = () => undefined;
  ownUser = () => ({ status: Status.SUCCESS, call: "", text: "S-1-5-21-1" });
  acceptsSecurity = () => Status.SUCCESS;
  security = () => ({ status: Status.SUCCESS, call: "", text: "" });
  owner = () => ({ status: Status.SUCCESS, call: "", text: "" });
  openToken = () => ({ status: Status.SUCCESS, call: "", token: ++this.#handles });
  identify = () => IDENTIFIED;
  closeToken = () => {};
  accountName = () => Promise.resolve(undefined);
  disconnect = () => Status.SUCCESS;
  close = () => Status.SUCCESS;
  snapshot = () => {};
  seemsPending(lane: Lane, slot: number): boolean {
    return this.#pending[lane]?.[slot] === true && this.#cancelled[lane]?.[slot] !== true;
  }
  status(lane: Lane, slot: number): number {
    return this.seemsPending(lane, slot) ? Status.PENDING : Status.CANCELLED;
  }
  transferred(_lane: Lane, slot: number): number {
    return this.#sizes[slot] ?? 0;
  }
  take(_slot: number, target: Uint8Array<ArrayBuffer>): void {
    target.set(REQUEST);
  }
  takeNew = (_slot: number, size: number) => REQUEST.slice(0, size);
  release = () => {};
  rearm = () => {};
  #woken: (() => void) | undefined = undefined;
  wait(): Promise<boolean> {
    return new Promise((resolve) => this.#woken = () => resolve(true));
  }
  waitStatus = () => Status.SUCCESS;
  wake(): void {
    this.#woken?.();
  }
  keepAlive = () => {};
  nextTurn = (callback: () => void) => {
    setImmediate(callback);
  };
  nextTurnIfRunning = (callback: () => void) => this.nextTurn(callback);
  now = () => performance.now();
  startTimer = (milliseconds: number, callback: () => void) =>
    Number(setTimeout(callback, milliseconds));
  stopTimer = (timer: number) => clearTimeout(timer);
  dispose = () => {};
  onUnload = () => {};
  abandon = () => {};

  #pend(lane: Lane, slot: number): number {
    const [pending, cancelled] = [this.#pending[lane], this.#cancelled[lane]];
    if (pending !== undefined) pending[slot] = true;
    if (cancelled !== undefined) cancelled[slot] = false;
    return Status.PENDING;
  }
}
