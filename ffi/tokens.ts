/**
 * The users behind access tokens: the one of this process, and the one of a client.
 *
 * **Impersonation.** A thread that impersonates a client acts with the client's rights, and so would
 * everything in the program that runs on this thread. So {@linkcode Tokens.open} starts and ends
 * impersonation within one synchronous step, during which no other code runs, and everything that
 * this step needs is bound and allocated beforehand. If impersonation cannot be ended, the process
 * is terminated at once.
 *
 * @module
 */

import type { Handle, Identified, OpenedToken, Told } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import type { Advapi32 } from "./advapi32.ts";
import type { Kernel32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import type { Scratch } from "./scratch.ts";
import { lastSubauthority, MAX_SID_SIZE, sidText } from "./sid.ts";
import {
  CURRENT_PROCESS,
  CURRENT_THREAD,
  SID_AND_ATTRIBUTES,
  STATUS_FATAL_APP_EXIT,
  TOKEN_INFORMATION_CLASS,
  TOKEN_QUERY,
} from "./structs.ts";

/** Reads access tokens. */
export class Tokens {
  readonly #calls: Advapi32["symbols"];
  readonly #kernel32: Kernel32["symbols"];
  readonly #scratch: Scratch;
  /** Bound once, so that nothing is looked up while the thread impersonates a client. */
  readonly #impersonate: Advapi32["symbols"]["ImpersonateNamedPipeClient"];
  readonly #openThreadToken: Advapi32["symbols"]["OpenThreadToken"];
  readonly #revert: Advapi32["symbols"]["RevertToSelf"];
  readonly #lastError: Kernel32["symbols"]["GetLastError"];
  readonly #handle: Uint8Array<ArrayBuffer>;
  #ownUser: Told | undefined = undefined;

  /** Calls nothing yet. */
  constructor(calls: Advapi32["symbols"], kernel32: Kernel32["symbols"], scratch: Scratch) {
    this.#calls = calls;
    this.#kernel32 = kernel32;
    this.#scratch = scratch;
    this.#impersonate = calls.ImpersonateNamedPipeClient;
    this.#openThreadToken = calls.OpenThreadToken;
    this.#revert = calls.RevertToSelf;
    this.#lastError = kernel32.GetLastError;
    this.#handle = scratch.pointer;
  }

  /** See {@linkcode Kernel.ownUser}. */
  ownUser(): Told {
    return this.#ownUser ??= this.#readOwnUser();
  }

  /** See {@linkcode Kernel.openToken}. */
  open(handle: Handle): OpenedToken {
    if (this.#impersonate(handle) === 0) {
      const status = failure(this.#lastError());
      return { status, call: "ImpersonateNamedPipeClient", token: 0n };
    }
    let status: number;
    try {
      // As the process itself: the client may have no right to its own token.
      status = this.#openThreadToken(CURRENT_THREAD, TOKEN_QUERY, 1, this.#handle) !== 0
        ? Status.SUCCESS
        : failure(this.#lastError());
    } finally {
      // Anything that ran next would run with the client's rights, even an exit handler,
      // https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-reverttoself
      if (this.#revert() === 0) this.#terminateProcess();
    }
    const token = status === Status.SUCCESS ? this.#scratch.pointerValue : 0n;
    return { status, call: "OpenThreadToken", token };
  }

  /** See {@linkcode Kernel.identify}. */
  identify(token: Handle): Identified {
    const user = this.#readSid(token, TOKEN_INFORMATION_CLASS.TokenUser);
    if (user.status !== Status.SUCCESS) return unidentified(user.call, user.status);
    const label = this.#readSid(token, TOKEN_INFORMATION_CLASS.TokenIntegrityLevel);
    if (label.status !== Status.SUCCESS) return unidentified(label.call, label.status);
    const status = this.#readInformation(token, TOKEN_INFORMATION_CLASS.TokenElevation);
    if (status !== Status.SUCCESS) return unidentified("GetTokenInformation", status);
    const { block, dword } = this.#scratch;
    const elevation = this.#scratch.copy(block.address, dword.length);
    const identity = {
      sid: user.text,
      integrity: lastSubauthority(label.text),
      elevated: elevation.some((byte) => byte !== 0),
    };
    return { status: Status.SUCCESS, call: "GetTokenInformation", identity };
  }

  /** See {@linkcode Kernel.closeToken}. */
  close(token: Handle): void {
    this.#kernel32.CloseHandle(token);
  }

  #terminateProcess(): never {
    for (;;) this.#kernel32.TerminateProcess(CURRENT_PROCESS, STATUS_FATAL_APP_EXIT);
  }

  #readOwnUser(): Told {
    if (this.#calls.OpenProcessToken(CURRENT_PROCESS, TOKEN_QUERY, this.#handle) === 0) {
      return { status: failure(this.#lastError()), call: "OpenProcessToken", text: "" };
    }
    const token = this.#scratch.pointerValue;
    const user = this.#readSid(token, TOKEN_INFORMATION_CLASS.TokenUser);
    this.close(token);
    return user;
  }

  /** The SID of a structure that begins with SID_AND_ATTRIBUTES; it follows in the same memory. */
  #readSid(token: Handle, information: number): Told {
    const call = "GetTokenInformation";
    const status = this.#readInformation(token, information);
    if (status !== Status.SUCCESS) return { status, call, text: "" };
    const { address } = this.#scratch.block;
    const bytes = this.#scratch.copy(address, this.#scratch.dwordValue);
    const sid = new DataView(bytes.buffer).getBigUint64(SID_AND_ATTRIBUTES.Sid, true);
    const at = Number(sid - address);
    const text = sidText(bytes.subarray(at, at + MAX_SID_SIZE));
    if (text === undefined) return { status: Status.UNKNOWN, call, text: "" };
    return { status, call, text };
  }

  #readInformation(token: Handle, information: number): number {
    const { block: { address, size }, dword } = this.#scratch;
    return this.#calls.GetTokenInformation(token, information, address, size, dword) !== 0
      ? Status.SUCCESS
      : failure(this.#lastError());
  }
}

function unidentified(call: string, status: number): Identified {
  return { status, call, identity: undefined };
}
