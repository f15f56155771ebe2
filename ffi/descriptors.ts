/**
 * Security descriptors: those that pipes are created with, and those in force.
 *
 * @module
 */

import type { Handle, Told } from "../src/kernel/kernel.ts";
import { Status } from "../src/kernel/status.ts";
import type { Advapi32 } from "./advapi32.ts";
import type { Kernel32 } from "./kernel32.ts";
import { failure } from "./last_error.ts";
import type { Scratch } from "./scratch.ts";
import { sidText } from "./sid.ts";
import type { Block } from "./block.ts";
import {
  DACL_SECURITY_INFORMATION,
  LABEL_SECURITY_INFORMATION,
  OWNER_SECURITY_INFORMATION,
  SDDL_REVISION_1,
  SECURITY_ATTRIBUTES,
  SECURITY_DESCRIPTOR,
} from "./structs.ts";
import { narrow, wide } from "./wide_strings.ts";

const IN_FORCE = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION |
  LABEL_SECURITY_INFORMATION;

/** A security descriptor in native memory, or the status of the call that failed to read it. */
type Descriptor = { readonly block: Block; readonly size: number } | { readonly status: number };

/** Reads and keeps security descriptors. */
export class Descriptors {
  readonly #calls: Advapi32["symbols"];
  readonly #kernel32: Kernel32["symbols"];
  readonly #scratch: Scratch;
  /** The addresses of the descriptors that were accepted, by their SDDL. */
  readonly #accepted = new Map<string, bigint>();

  /** Calls nothing yet. */
  constructor(calls: Advapi32["symbols"], kernel32: Kernel32["symbols"], scratch: Scratch) {
    this.#calls = calls;
    this.#kernel32 = kernel32;
    this.#scratch = scratch;
  }

  /** See {@linkcode Kernel.acceptsSecurity}. */
  accepts(sddl: string): number {
    if (this.#accepted.has(sddl)) return Status.SUCCESS;
    const convert = this.#calls.ConvertStringSecurityDescriptorToSecurityDescriptorW;
    if (convert(wide(sddl), SDDL_REVISION_1, this.#scratch.pointer, 0n) === 0) {
      return failure(this.#kernel32.GetLastError());
    }
    this.#accepted.set(sddl, this.#scratch.pointerValue);
    return Status.SUCCESS;
  }

  /** `SECURITY_ATTRIBUTES` with a descriptor that was accepted; undefined if it was not. */
  attributes(sddl: string): Uint8Array<ArrayBuffer> | undefined {
    const descriptor = this.#accepted.get(sddl);
    if (descriptor === undefined) return undefined;
    const attributes = new Uint8Array(SECURITY_ATTRIBUTES.size);
    const view = new DataView(attributes.buffer);
    view.setUint32(SECURITY_ATTRIBUTES.nLength, SECURITY_ATTRIBUTES.size, true);
    view.setBigUint64(SECURITY_ATTRIBUTES.lpSecurityDescriptor, descriptor, true);
    return attributes;
  }

  /** See {@linkcode Kernel.security}. */
  inForce(handle: Handle): Told {
    return this.#read(handle, IN_FORCE, (address) => this.#toText(address));
  }

  /** See {@linkcode Kernel.owner}. */
  owner(handle: Handle): Told {
    return this.#read(handle, OWNER_SECURITY_INFORMATION, (address, size) => {
      const bytes = this.#scratch.copy(address, size);
      const at = new DataView(bytes.buffer).getUint32(SECURITY_DESCRIPTOR.OffsetOwner, true);
      const text = at === 0 ? undefined : sidText(bytes.subarray(at));
      const status = text === undefined ? Status.UNKNOWN : Status.SUCCESS;
      return { status, call: "GetKernelObjectSecurity", text: text ?? "" };
    });
  }

  /** Frees the descriptors that were accepted. */
  dispose(): void {
    for (const address of this.#accepted.values()) this.#kernel32.LocalFree(address);
    this.#accepted.clear();
  }

  /** Reads the security descriptor of a handle, and returns what `extract` makes of it. */
  #read(
    handle: Handle,
    information: number,
    extract: (address: bigint, size: number) => Told,
  ): Told {
    const descriptor = this.#readInto(this.#scratch.block, handle, information);
    if ("status" in descriptor) {
      return { status: descriptor.status, call: "GetKernelObjectSecurity", text: "" };
    }
    const { block, size } = descriptor;
    const result = extract(block.address, size);
    this.#scratch.free(block);
    return result;
  }

  /** Reads a security descriptor into a block, or into a larger one if it does not fit. */
  #readInto(block: Block, handle: Handle, information: number): Descriptor {
    const { address, size } = block;
    const read = this.#calls.GetKernelObjectSecurity;
    if (read(handle, information, address, size, this.#scratch.dword) !== 0) {
      return { block, size: this.#scratch.dwordValue };
    }
    const status = failure(this.#kernel32.GetLastError());
    this.#scratch.free(block);
    const needed = this.#scratch.dwordValue;
    if (status !== Status.INSUFFICIENT_BUFFER || needed <= size) return { status };
    const larger = this.#scratch.allocate(needed);
    if (larger === undefined) return { status: Status.OUT_OF_MEMORY };
    return this.#readInto(larger, handle, information);
  }

  #toText(descriptor: bigint): Told {
    const call = "ConvertSecurityDescriptorToStringSecurityDescriptorW";
    const { [call]: convert } = this.#calls;
    const { pointer, dword } = this.#scratch;
    if (convert(descriptor, SDDL_REVISION_1, IN_FORCE, pointer, dword) === 0) {
      return { status: failure(this.#kernel32.GetLastError()), call, text: "" };
    }
    const text = this.#scratch.pointerValue;
    const bytes = this.#scratch.copy(text, this.#scratch.dwordValue * 2);
    this.#kernel32.LocalFree(text);
    return { status: Status.SUCCESS, call, text: narrow(new Uint16Array(bytes.buffer)) };
  }
}
