/**
 * Users, tokens and security descriptors, through advapi32.dll.
 *
 * @module
 */

import { AccountLookup } from "./account_lookup.ts";
import { type Advapi32, openAdvapi32 } from "./advapi32.ts";
import { Descriptors } from "./descriptors.ts";
import type { Kernel32 } from "./kernel32.ts";
import { Scratch } from "./scratch.ts";
import type { Slab } from "./slab.ts";
import { Tokens } from "./tokens.ts";

/** What the kernel can ask about users and access rights. */
export class Security {
  readonly tokens: Tokens;
  readonly descriptors: Descriptors;
  readonly accounts: AccountLookup;
  readonly #scratch: Scratch;

  /**
   * Opens the library.
   *
   * @throws {KernelError} If there is no memory.
   * @throws {Deno.errors.NotCapable} If the FFI permission is missing.
   */
  constructor(kernel32: Kernel32["symbols"], slab: Slab, library: Advapi32 = openAdvapi32()) {
    this.accounts = new AccountLookup(library);
    try {
      this.#scratch = new Scratch(kernel32, slab);
    } catch (error) {
      this.accounts.close();
      throw error;
    }
    this.tokens = new Tokens(library.symbols, kernel32, this.#scratch);
    this.descriptors = new Descriptors(library.symbols, kernel32, this.#scratch);
  }

  /** Frees everything. The library stays open until the last lookup of a name has ended. */
  close(): void {
    this.descriptors.dispose();
    this.#scratch.dispose();
    this.accounts.close();
  }
}
