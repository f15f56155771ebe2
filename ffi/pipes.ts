/**
 * The calls about pipes that complete at once: create, open, look and close.
 *
 * @module
 */

import type {
  ClientAccess,
  Direction,
  Handle,
  Impersonation,
  Opened,
  Peeked,
  PipeSpec,
  PipeType,
} from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import type { Counters } from "./counters.ts";
import type { Kernel32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import {
  FILE_FLAG_FIRST_PIPE_INSTANCE,
  FILE_FLAG_OVERLAPPED,
  FILE_READ_ATTRIBUTES,
  FILE_WRITE_ATTRIBUTES,
  GENERIC_READ,
  GENERIC_WRITE,
  INVALID_HANDLE_VALUE,
  NMPWAIT_NOWAIT,
  OPEN_EXISTING,
  PIPE_ACCEPT_REMOTE_CLIENTS,
  PIPE_ACCESS_DUPLEX,
  PIPE_ACCESS_INBOUND,
  PIPE_ACCESS_OUTBOUND,
  PIPE_READMODE_BYTE,
  PIPE_READMODE_MESSAGE,
  PIPE_REJECT_REMOTE_CLIENTS,
  PIPE_TYPE_BYTE,
  PIPE_TYPE_MESSAGE,
  PIPE_UNLIMITED_INSTANCES,
  PIPE_WAIT,
  SECURITY_ANONYMOUS,
  SECURITY_CONTEXT_TRACKING,
  SECURITY_DELEGATION,
  SECURITY_IDENTIFICATION,
  SECURITY_IMPERSONATION,
  SECURITY_SQOS_PRESENT,
} from "./structs.ts";
import { wide } from "./wide_strings.ts";

/** Asks Windows for a number that belongs to a pipe. */
type NumberCall = (handle: Handle, number: Uint8Array<ArrayBuffer>) => number;

const OPEN_MODES: Readonly<Record<Direction, number>> = {
  both: PIPE_ACCESS_DUPLEX,
  read: PIPE_ACCESS_INBOUND,
  write: PIPE_ACCESS_OUTBOUND,
};

const PIPE_MODES: Readonly<Record<PipeType, number>> = {
  message: PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
  byte: PIPE_TYPE_BYTE | PIPE_READMODE_BYTE,
};

const CLIENT_RIGHTS: Readonly<Record<Direction, number>> = {
  both: GENERIC_READ + GENERIC_WRITE,
  // To keep messages apart is to change an attribute.
  read: GENERIC_READ + FILE_WRITE_ATTRIBUTES,
  write: GENERIC_WRITE,
};

const LEVELS: Readonly<Record<Impersonation, number>> = {
  anonymous: SECURITY_ANONYMOUS,
  identification: SECURITY_IDENTIFICATION,
  impersonation: SECURITY_IMPERSONATION,
  delegation: SECURITY_DELEGATION,
};

/** The ends of pipes. */
export class Pipes {
  readonly #calls: Kernel32["symbols"];
  readonly #counters: Counters;
  readonly #dword: Uint8Array<ArrayBuffer> = new Uint8Array(4);
  readonly #dwordView = new DataView(this.#dword.buffer);

  /** Calls nothing yet. */
  constructor(calls: Kernel32["symbols"], counters: Counters) {
    this.#calls = calls;
    this.#counters = counters;
  }

  /**
   * See {@linkcode Kernel.create}. Without `SECURITY_ATTRIBUTES` the pipe gets the default
   * descriptor. With none, as with those that this module makes, the handle is not inheritable.
   */
  create(pipe: PipeSpec, first: boolean, attributes: Uint8Array<ArrayBuffer> | null): Opened {
    this.#counters.otherCalls++;
    const handle = this.#calls.CreateNamedPipeW(
      wide(pipe.path),
      OPEN_MODES[pipe.direction] | FILE_FLAG_OVERLAPPED |
        (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
      PIPE_MODES[pipe.type] | PIPE_WAIT |
        (pipe.remote ? PIPE_ACCEPT_REMOTE_CLIENTS : PIPE_REJECT_REMOTE_CLIENTS),
      PIPE_UNLIMITED_INSTANCES,
      pipe.writeBufferSize,
      pipe.readBufferSize,
      pipe.waitTimeout,
      attributes,
    );
    return this.#opened(handle);
  }

  /** See {@linkcode Kernel.open}. */
  open(path: string, { direction, impersonation }: ClientAccess): Opened {
    return this.#open(path, CLIENT_RIGHTS[direction], impersonation);
  }

  /** See {@linkcode Kernel.keepMessages}. */
  keepMessages(handle: Handle): number {
    this.#counters.otherCalls++;
    this.#dwordView.setUint32(0, PIPE_READMODE_MESSAGE | PIPE_WAIT, true);
    return this.#calls.SetNamedPipeHandleState(handle, this.#dword, 0n, 0n) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.type}. */
  type(handle: Handle): PipeType | undefined {
    this.#counters.otherCalls++;
    if (this.#calls.GetNamedPipeInfo(handle, this.#dword, 0n, 0n, 0n) !== 0) {
      return this.#dwordView.getUint32(0, true) & PIPE_TYPE_MESSAGE ? "message" : "byte";
    }
    // A handle that can only write may not ask. It may change its read mode, which means nothing to
    // it, and which Windows refuses on a byte pipe.
    const kept = this.keepMessages(handle);
    if (kept === Status.SUCCESS) return "message";
    return kept === Status.INVALID_PARAMETER ? "byte" : undefined;
  }

  /** See {@linkcode Kernel.exists}. */
  exists(path: string): boolean {
    this.#counters.otherCalls++;
    // Any other error means that it exists: with all instances busy it is 121 or 231.
    return this.#calls.WaitNamedPipeW(wide(path), NMPWAIT_NOWAIT) !== 0 ||
      failure(this.#calls.GetLastError()) !== Status.NOT_FOUND;
  }

  /** See {@linkcode Kernel.peek}. */
  peek(handle: Handle): Peeked {
    this.#counters.otherCalls++;
    const status = this.#calls.PeekNamedPipe(handle, 0n, 0, 0n, 0n, this.#dword) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
    return { status, left: status === Status.SUCCESS ? this.#dwordView.getUint32(0, true) : 0 };
  }

  /** See {@linkcode Kernel.clientProcess}. */
  clientProcess(handle: Handle): number | undefined {
    return this.#number(handle, this.#calls.GetNamedPipeClientProcessId);
  }

  /** See {@linkcode Kernel.clientSession}. */
  clientSession(handle: Handle): number | undefined {
    return this.#number(handle, this.#calls.GetNamedPipeClientSessionId);
  }

  /** See {@linkcode Kernel.hostProcess}. */
  hostProcess(handle: Handle): number | undefined {
    return this.#number(handle, this.#calls.GetNamedPipeServerProcessId);
  }

  /** See {@linkcode Kernel.hostSession}. */
  hostSession(handle: Handle): number | undefined {
    return this.#number(handle, this.#calls.GetNamedPipeServerSessionId);
  }

  /** See {@linkcode Kernel.serverProcess}. */
  serverProcess(path: string): number | undefined {
    const { status, handle } = this.#open(path, FILE_READ_ATTRIBUTES, "anonymous");
    if (status !== Status.SUCCESS) return undefined;
    const process = this.hostProcess(handle);
    this.close(handle);
    return process;
  }

  /** See {@linkcode Kernel.disconnect}. */
  disconnect(handle: Handle): number {
    this.#counters.otherCalls++;
    return this.#calls.DisconnectNamedPipe(handle) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  /** See {@linkcode Kernel.close}. */
  close(handle: Handle): number {
    this.#counters.otherCalls++;
    return this.#calls.CloseHandle(handle) !== 0
      ? Status.SUCCESS
      : failure(this.#calls.GetLastError());
  }

  #open(path: string, access: number, impersonation: Impersonation): Opened {
    this.#counters.otherCalls++;
    // Anyone may have created the pipe: without a level its server could impersonate this process,
    // https://learn.microsoft.com/windows/win32/ipc/impersonating-a-named-pipe-client
    // The identity goes with each message, which is also the default. An identity taken at opening
    // would belong to a connection for which the server may not have listened yet.
    const handle = this.#calls.CreateFileW(
      wide(path),
      access,
      0,
      0n,
      OPEN_EXISTING,
      FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | LEVELS[impersonation] |
        SECURITY_CONTEXT_TRACKING,
      0n,
    );
    return this.#opened(handle);
  }

  #opened(handle: Handle): Opened {
    return handle === INVALID_HANDLE_VALUE
      ? { status: failure(this.#calls.GetLastError()), handle }
      : { status: Status.SUCCESS, handle };
  }

  #number(handle: Handle, call: NumberCall): number | undefined {
    this.#counters.otherCalls++;
    return call(handle, this.#dword) !== 0 ? this.#dwordView.getUint32(0, true) : undefined;
  }
}
