/**
 * What the tests of servers in this folder share: names, limits, and a look at every call that a
 * server makes of Windows.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { assert, assertRejects } from "@std/assert";
import type { Advapi32 } from "../../ffi/advapi32.ts";
import { type Kernel32, openKernel32 } from "../../ffi/kernel32.ts";
import { WindowsKernel, type WindowsKernelOptions } from "../../ffi/windows_kernel.ts";
import type { OpenLoop } from "../../src/loop/isolate.ts";
import type { ClientInfo, CloseReason } from "../../mod.ts";
import type { Timer } from "../../src/kernel/kernel.ts";
import { WaitLoop } from "../../src/loop/wait_loop.ts";
import { Code, type Handle, Win32Error } from "../win32/raw.ts";

/** What a client gets from a server that has sent it away. */
export const GONE: readonly number[] = [
  Code.BROKEN_PIPE,
  Code.NO_DATA,
  Code.PIPE_NOT_CONNECTED,
];

/** A name that nobody else has. */
export function newPath(): string {
  return `\\\\.\\pipe\\test-${crypto.randomUUID()}`;
}

/** Expects what Windows refuses with one of these codes. */
export async function rejectsWith(
  codes: number | readonly number[],
  promise: Promise<unknown>,
): Promise<Win32Error> {
  const error = await assertRejects(() => promise, Win32Error);
  assert([codes].flat().includes(error.code), error.message);
  return error;
}

/** Ends a test that waits for what does not come. */
export async function within<T>(what: string, promise: Promise<T>, limit = 10_000): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${limit} ms`)), limit);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The ends of a server's connections, as `onDisconnect` tells them. */
export class Ends {
  readonly all: { id: number; reason: CloseReason; error: unknown }[] = [];
  #waiting: { count: number; resolve: () => void } | undefined;

  /** For `onDisconnect`. */
  readonly note = ({ id }: ClientInfo, reason: CloseReason, error?: unknown): void => {
    this.all.push({ id, reason, error });
    if (this.all.length === this.#waiting?.count) this.#waiting.resolve();
  };

  get reasons(): CloseReason[] {
    return this.all.map(({ reason }) => reason);
  }

  /** Resolves when there have been so many. */
  async reach(count: number): Promise<void> {
    if (this.all.length >= count) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { count, resolve };
    await within(`${count} ends of connections`, promise, 30_000);
  }
}

/** The functions of kernel32 that a server calls. */
export type Symbols = Kernel32["symbols"];

/** A call that a server made. */
export interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly result: number | bigint;
  /** 0 if it succeeded, else its last error, which the server has asked for. */
  code: number;
}

/** How a {@linkcode Tap} differs from Windows. */
export interface TapOptions {
  /** Functions to replace. */
  change?: ((real: Symbols) => Partial<Symbols>) | undefined;
  /** No timer takes longer than so many milliseconds. */
  hurry?: number | undefined;
  /** Libraries that stay open: for loops that are abandoned, and keep theirs. */
  library?: Kernel32 | undefined;
  advapi32?: Advapi32 | undefined;
}

/** A loop over the real Windows, with every call that matters written down. */
export class Tap {
  readonly calls: Call[] = [];
  /** Waits that are dispatched now, at most at once, and in all. */
  waiting = 0;
  mostWaiting = 0;
  waits = 0;
  /** Timers that run. */
  readonly timers = new Set<Timer>();
  /** Turns in all. */
  turns = 0;
  /** The real functions, whatever was replaced. */
  readonly real: Symbols;
  /** For `serveOn` and `exchangesOn`: the loop, which lives until its last user has left. */
  readonly open: OpenLoop;

  constructor(
    { change = () => ({}), hurry = Infinity, library = openKernel32(), advapi32 }: TapOptions = {},
  ) {
    this.real = library.symbols;
    const changed = { ...library.symbols, ...change(library.symbols) };
    const kernel32 = {
      symbols: { ...changed, ...this.#recorded(changed) },
      close: () => library.close(),
    };
    const kernel = new TapKernel(
      this,
      { kernel32, ...(advapi32 === undefined ? {} : { advapi32 }) },
      hurry,
    );
    const loop = new WaitLoop(kernel);
    this.open = (_path, identifies) => {
      if (identifies) kernel.openSecurity();
      return loop;
    };
  }

  /** The calls of one function so far, of one pipe if a handle is given. */
  of(name: keyof Symbols, handle?: Handle): Call[] {
    return this.calls.filter((call) =>
      call.name === name && (handle === undefined || call.args[0] === handle)
    );
  }

  /** How the calls of one function ended. */
  codes(name: keyof Symbols, handle?: Handle): number[] {
    return this.of(name, handle).map(({ code }) => code);
  }

  /** The handles of the instances that were created, in order. */
  get instances(): Handle[] {
    return this.of("CreateNamedPipeW").filter(({ code }) => code === 0)
      .map(({ result }) => BigInt(result));
  }

  /** Resolves when the loop has dispatched a wait. */
  async parked(): Promise<void> {
    while (this.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  #recorded(symbols: Symbols): Partial<Symbols> {
    return {
      CreateNamedPipeW: this.#record("CreateNamedPipeW", symbols.CreateNamedPipeW),
      ConnectNamedPipe: this.#record("ConnectNamedPipe", symbols.ConnectNamedPipe),
      ReadFile: this.#record("ReadFile", symbols.ReadFile),
      WriteFile: this.#record("WriteFile", symbols.WriteFile),
      PeekNamedPipe: this.#record("PeekNamedPipe", symbols.PeekNamedPipe),
      CancelIoEx: this.#record("CancelIoEx", symbols.CancelIoEx),
      DisconnectNamedPipe: this.#record("DisconnectNamedPipe", symbols.DisconnectNamedPipe),
      CloseHandle: this.#record("CloseHandle", symbols.CloseHandle),
      GetLastError: () => {
        const code = symbols.GetLastError();
        const last = this.calls.at(-1);
        if (last !== undefined) last.code = code;
        return code;
      },
      parkForMultipleObjects: async (...args) => {
        this.waits++;
        this.mostWaiting = Math.max(this.mostWaiting, ++this.waiting);
        try {
          return await symbols.parkForMultipleObjects(...args);
        } finally {
          this.waiting--;
        }
      },
    };
  }

  #record<A extends unknown[], R extends number | bigint>(
    name: string,
    call: (...args: A) => R,
  ): (...args: A) => R {
    return (...args) => {
      const result = call(...args);
      this.calls.push({ name, args, result, code: 0 });
      return result;
    };
  }
}

class TapKernel extends WindowsKernel {
  readonly #tap: Tap;
  readonly #hurry: number;

  constructor(tap: Tap, options: WindowsKernelOptions, hurry: number) {
    super(options);
    this.#tap = tap;
    this.#hurry = hurry;
  }

  override nextTurn(callback: () => void): void {
    this.#tap.turns++;
    super.nextTurn(callback);
  }

  override startTimer(milliseconds: number, callback: () => void): Timer {
    const timer = super.startTimer(Math.min(milliseconds, this.#hurry), () => {
      this.#tap.timers.delete(timer);
      callback();
    });
    this.#tap.timers.add(timer);
    return timer;
  }

  override stopTimer(timer: Timer): void {
    this.#tap.timers.delete(timer);
    super.stopTimer(timer);
  }
}
