/**
 * Users, tokens and security descriptors, through advapi32.dll.
 *
 * **Identity.** A thread that impersonates a client acts with the client's rights, and everything
 * in a program that runs on this thread would. So {@linkcode Security.identify} enters and leaves
 * that state within one synchronous step, between which no code of anybody else runs, and what it
 * needs is bound and allocated beforehand. Should the return fail, the process ends there and then.
 *
 * @module
 */

import type { Handle, Identified, Told } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import { type Advapi32, openAdvapi32 } from "./advapi32.ts";
import type { Kernel32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import { KernelError } from "./library.ts";
import { lastSubauthority, MAX_SID_SIZE, sidBytes, sidText } from "./sid.ts";
import type { Block, Slab } from "./slab.ts";
import {
  CURRENT_PROCESS,
  CURRENT_THREAD,
  DACL_SECURITY_INFORMATION,
  LABEL_SECURITY_INFORMATION,
  OWNER_SECURITY_INFORMATION,
  SDDL_REVISION_1,
  SECURITY_ATTRIBUTES,
  SECURITY_DESCRIPTOR,
  SID_AND_ATTRIBUTES,
  STATUS_FATAL_APP_EXIT,
  TOKEN_INFORMATION_CLASS,
  TOKEN_QUERY,
  wide,
} from "./structs.ts";

/** What is first tried for a security descriptor, in bytes; a longer one says how long it is. */
const SCRATCH_SIZE = 4096;

/** The longest name of an account or a domain, in characters, its NUL included. */
const MAX_NAME = 257;

const decoder = new TextDecoder("utf-16le", { ignoreBOM: true });

const IN_FORCE = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION |
  LABEL_SECURITY_INFORMATION;

/** What a security descriptor was asked for, or why it was not told. */
type Descriptor = { readonly block: Block; readonly size: number } | { readonly status: number };

/** What the kernel knows of users and access rights. */
export class Security {
  readonly #library: Advapi32;
  readonly #calls: Advapi32["symbols"];
  readonly #kernel32: Kernel32["symbols"];
  readonly #slab: Slab;
  readonly #scratch: Block;
  readonly #descriptors = new Map<string, bigint>();
  readonly #address: BigUint64Array<ArrayBuffer> = new BigUint64Array(1);
  readonly #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(this.#address.buffer);
  readonly #dword: Uint8Array<ArrayBuffer> = new Uint8Array(4);
  readonly #dwordView = new DataView(this.#dword.buffer);
  /** Bound once, so that nothing is looked up while the thread is somebody else. */
  readonly #impersonate: Advapi32["symbols"]["ImpersonateNamedPipeClient"];
  readonly #openThreadToken: Advapi32["symbols"]["OpenThreadToken"];
  readonly #revert: Advapi32["symbols"]["RevertToSelf"];
  readonly #lastError: Kernel32["symbols"]["GetLastError"];
  #ownUser: Told | undefined = undefined;
  #lookups = 0;
  #closed = false;

  /**
   * Opens the library.
   *
   * @throws {KernelError} If there is no memory.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
   */
  constructor(kernel32: Kernel32["symbols"], slab: Slab, library: Advapi32 = openAdvapi32()) {
    this.#library = library;
    this.#calls = library.symbols;
    this.#kernel32 = kernel32;
    this.#slab = slab;
    const scratch = slab.take(SCRATCH_SIZE);
    if (scratch === undefined) {
      const error = new KernelError("VirtualAlloc", kernel32.GetLastError());
      library.close();
      throw error;
    }
    this.#scratch = scratch;
    this.#impersonate = this.#calls.ImpersonateNamedPipeClient;
    this.#openThreadToken = this.#calls.OpenThreadToken;
    this.#revert = this.#calls.RevertToSelf;
    this.#lastError = kernel32.GetLastError;
  }

  /** See {@linkcode Kernel.ownUser}. */
  ownUser(): Told {
    return this.#ownUser ??= this.#askOwnUser();
  }

  /** See {@linkcode Kernel.acceptsSecurity}. */
  accepts(sddl: string): number {
    if (this.#descriptors.has(sddl)) return Status.SUCCESS;
    const convert = this.#calls.ConvertStringSecurityDescriptorToSecurityDescriptorW;
    if (convert(wide(sddl), SDDL_REVISION_1, this.#bytes, 0n) === 0) {
      return failure(this.#lastError());
    }
    this.#descriptors.set(sddl, this.#address[0] ?? 0n);
    return Status.SUCCESS;
  }

  /** `SECURITY_ATTRIBUTES` with a security descriptor that was accepted. */
  attributes(sddl: string): Uint8Array<ArrayBuffer> | undefined {
    const descriptor = this.#descriptors.get(sddl);
    if (descriptor === undefined) return undefined;
    const attributes = new Uint8Array(SECURITY_ATTRIBUTES.size);
    const view = new DataView(attributes.buffer);
    view.setUint32(SECURITY_ATTRIBUTES.nLength, SECURITY_ATTRIBUTES.size, true);
    view.setBigUint64(SECURITY_ATTRIBUTES.lpSecurityDescriptor, descriptor, true);
    return attributes;
  }

  /** See {@linkcode Kernel.security}. */
  inForce(handle: Handle): Told {
    return this.#ask(handle, IN_FORCE, (descriptor) => this.#describe(descriptor));
  }

  /** See {@linkcode Kernel.owner}. */
  owner(handle: Handle): Told {
    return this.#ask(handle, OWNER_SECURITY_INFORMATION, (descriptor, size) => {
      const bytes = this.#copy(descriptor, size);
      const at = new DataView(bytes.buffer).getUint32(SECURITY_DESCRIPTOR.OffsetOwner, true);
      return told("GetKernelObjectSecurity", at === 0 ? undefined : sidText(bytes.subarray(at)));
    });
  }

  /** See {@linkcode Kernel.identify}. */
  identify(handle: Handle): Identified {
    if (this.#impersonate(handle) === 0) {
      return unidentified("ImpersonateNamedPipeClient", failure(this.#lastError()));
    }
    let status: number;
    try {
      // As the process itself, not as the client, who may have no right to its own token.
      status = this.#openThreadToken(CURRENT_THREAD, TOKEN_QUERY, 1, this.#bytes) !== 0
        ? Status.SUCCESS
        : failure(this.#lastError());
    } finally {
      // Whatever ran next would run with the rights of the client, be it only an exit handler,
      // https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-reverttoself
      if (this.#revert() === 0) this.#endProcess();
    }
    if (status !== Status.SUCCESS) return unidentified("OpenThreadToken", status);
    const token = this.#address[0] ?? 0n;
    const identified = this.#readToken(token);
    this.#kernel32.CloseHandle(token);
    return identified;
  }

  /** See {@linkcode Kernel.accountName}. */
  async accountName(sid: string): Promise<string | undefined> {
    const bytes = sidBytes(sid);
    if (bytes === undefined || this.#closed) return undefined;
    const name = new Uint16Array(MAX_NAME);
    const domain = new Uint16Array(MAX_NAME);
    const [nameLength, domainLength] = [new Uint32Array([MAX_NAME]), new Uint32Array([MAX_NAME])];
    this.#lookups++;
    const found = await this.#calls.LookupAccountSidW(
      0n,
      bytes,
      name,
      nameLength,
      domain,
      domainLength,
      new Uint32Array(1),
    );
    this.#lookups--;
    this.#closeLibrary();
    if (found === 0) return undefined;
    const [account, authority] = [narrow(name), narrow(domain)];
    return authority === "" ? account : `${authority}\\${account}`;
  }

  /** Gives everything back. The library stays until the last look-up is over. */
  close(): void {
    for (const descriptor of this.#descriptors.values()) this.#kernel32.LocalFree(descriptor);
    this.#descriptors.clear();
    this.#slab.give(this.#scratch);
    this.#closed = true;
    this.#closeLibrary();
  }

  #closeLibrary(): void {
    if (this.#closed && this.#lookups === 0) this.#library.close();
  }

  #endProcess(): never {
    for (;;) this.#kernel32.TerminateProcess(CURRENT_PROCESS, STATUS_FATAL_APP_EXIT);
  }

  #askOwnUser(): Told {
    if (this.#calls.OpenProcessToken(CURRENT_PROCESS, TOKEN_QUERY, this.#bytes) === 0) {
      return { status: failure(this.#lastError()), call: "OpenProcessToken", text: "" };
    }
    const token = this.#address[0] ?? 0n;
    const user = this.#readSid(token, TOKEN_INFORMATION_CLASS.TokenUser);
    this.#kernel32.CloseHandle(token);
    return user;
  }

  #readToken(token: Handle): Identified {
    const user = this.#readSid(token, TOKEN_INFORMATION_CLASS.TokenUser);
    if (user.status !== Status.SUCCESS) return unidentified(user.call, user.status);
    const label = this.#readSid(token, TOKEN_INFORMATION_CLASS.TokenIntegrityLevel);
    if (label.status !== Status.SUCCESS) return unidentified(label.call, label.status);
    const status = this.#readInformation(token, TOKEN_INFORMATION_CLASS.TokenElevation);
    if (status !== Status.SUCCESS) return unidentified("GetTokenInformation", status);
    const elevation = this.#copy(this.#scratch.address, this.#dword.length);
    const identity = {
      sid: user.text,
      integrity: lastSubauthority(label.text),
      elevated: elevation.some((byte) => byte !== 0),
    };
    return { status: Status.SUCCESS, call: "GetTokenInformation", identity };
  }

  /** Of a structure that begins with SID_AND_ATTRIBUTES: the SID, which stands in it further on. */
  #readSid(token: Handle, wanted: number): Told {
    const status = this.#readInformation(token, wanted);
    if (status !== Status.SUCCESS) return { status, call: "GetTokenInformation", text: "" };
    const size = this.#dwordView.getUint32(0, true);
    const bytes = this.#copy(this.#scratch.address, size);
    const sid = new DataView(bytes.buffer).getBigUint64(SID_AND_ATTRIBUTES.Sid, true);
    const at = Number(sid - this.#scratch.address);
    return told("GetTokenInformation", sidText(bytes.subarray(at, at + MAX_SID_SIZE)));
  }

  #readInformation(token: Handle, wanted: number): number {
    const { address, size } = this.#scratch;
    return this.#calls.GetTokenInformation(token, wanted, address, size, this.#dword) !== 0
      ? Status.SUCCESS
      : failure(this.#lastError());
  }

  /** Asks for the security descriptor of a handle, and what it says. */
  #ask(
    handle: Handle,
    wanted: number,
    read: (address: bigint, size: number) => Told,
  ): Told {
    const descriptor = this.#readDescriptor(handle, wanted, this.#scratch);
    if ("status" in descriptor) {
      return { status: descriptor.status, call: "GetKernelObjectSecurity", text: "" };
    }
    const { block, size } = descriptor;
    const result = read(block.address, size);
    if (block !== this.#scratch) this.#slab.give(block);
    return result;
  }

  /** Into a block; into a larger one where that is too small. */
  #readDescriptor(handle: Handle, wanted: number, block: Block): Descriptor {
    const { address, size } = block;
    const read = this.#calls.GetKernelObjectSecurity;
    if (read(handle, wanted, address, size, this.#dword) !== 0) {
      return { block, size: this.#dwordView.getUint32(0, true) };
    }
    const status = failure(this.#lastError());
    if (block !== this.#scratch) this.#slab.give(block);
    const needed = this.#dwordView.getUint32(0, true);
    if (status !== Status.INSUFFICIENT_BUFFER || needed <= size) return { status };
    const larger = this.#slab.take(needed);
    if (larger === undefined) return { status: Status.OUT_OF_MEMORY };
    return this.#readDescriptor(handle, wanted, larger);
  }

  #describe(descriptor: bigint): Told {
    const call = "ConvertSecurityDescriptorToStringSecurityDescriptorW";
    const { [call]: convert } = this.#calls;
    if (convert(descriptor, SDDL_REVISION_1, IN_FORCE, this.#bytes, this.#dword) === 0) {
      return { status: failure(this.#lastError()), call, text: "" };
    }
    const text = this.#address[0] ?? 0n;
    const bytes = this.#copy(text, this.#dwordView.getUint32(0, true) * 2);
    this.#kernel32.LocalFree(text);
    return told(call, narrow(new Uint16Array(bytes.buffer)));
  }

  #copy(address: bigint, size: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(size);
    if (size > 0) this.#kernel32.copyOut(bytes, address, BigInt(size));
    return bytes;
  }
}

function told(call: string, text: string | undefined): Told {
  if (text === undefined) return { status: Status.UNKNOWN, call, text: "" };
  return { status: Status.SUCCESS, call, text };
}

function unidentified(call: string, status: number): Identified {
  return { status, call, identity: undefined };
}

/** The characters before the NUL. There may be more of them than a call takes arguments. */
function narrow(units: Uint16Array<ArrayBuffer>): string {
  const end = units.indexOf(0);
  return decoder.decode(end === -1 ? units : units.subarray(0, end));
}
