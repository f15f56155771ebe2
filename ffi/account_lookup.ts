/**
 * Looks up the names of accounts, on another thread.
 *
 * @module
 */

import type { Advapi32 } from "./advapi32.ts";
import { sidBytes } from "./sid.ts";
import { narrow } from "./wide_strings.ts";

/** The longest name of an account or a domain, in characters, with its NUL. */
const MAX_NAME = 257;

/** Looks up account names, and keeps advapi32.dll open until the last lookup has ended. */
export class AccountLookup {
  readonly #library: Advapi32;
  #pending = 0;
  #closed = false;

  /** Calls nothing yet. */
  constructor(library: Advapi32) {
    this.#library = library;
  }

  /** See {@linkcode Kernel.accountName}. */
  async name(sid: string): Promise<string | undefined> {
    const bytes = sidBytes(sid);
    if (bytes === undefined || this.#closed) return undefined;
    const name = new Uint16Array(MAX_NAME);
    const domain = new Uint16Array(MAX_NAME);
    this.#pending++;
    const found = await this.#library.symbols.LookupAccountSidW(
      0n,
      bytes,
      name,
      new Uint32Array([MAX_NAME]),
      domain,
      new Uint32Array([MAX_NAME]),
      new Uint32Array(1),
    );
    this.#pending--;
    this.#closeLibrary();
    if (found === 0) return undefined;
    const [account, authority] = [narrow(name), narrow(domain)];
    return authority === "" ? account : `${authority}\\${account}`;
  }

  /** Closes the library, now or when the last lookup has ended. */
  close(): void {
    this.#closed = true;
    this.#closeLibrary();
  }

  #closeLibrary(): void {
    if (this.#closed && this.#pending === 0) this.#library.close();
  }
}
