/**
 * What Windows tells about a client: its process, its session and its user.
 *
 * Each costs calls, so Windows is asked only when the program gets the client, or still may when the
 * connection ends: by an exchange that is not done. What was told stays known; what was not asked for
 * before the end is never told.
 *
 * @module
 */

import type { Handle, Identified, Kernel } from "../kernel/kernel.ts";
import { isShortage, Status } from "../kernel/status.ts";

/** See the module. */
export class ClientFacts {
  readonly #kernel: Kernel;
  readonly #handle: Handle;
  /** Whether the program has the client, and may want to know at any time. */
  #shown = false;
  /** Exchanges by which the program can still get it. */
  #exchanges = 0;
  #ended = false;
  #asked = false;
  #processId: number | undefined = undefined;
  #sessionId: number | undefined = undefined;
  /** The token with which the client has sent its first data, until it is read. */
  #token: Handle | undefined = undefined;
  #identified: Identified | undefined = undefined;

  /** @param handle The server's end of the connection. */
  constructor(kernel: Kernel, handle: Handle) {
    this.#kernel = kernel;
    this.#handle = handle;
  }

  /** Its process; undefined if Windows does not tell, or nobody asked in time. */
  get processId(): number | undefined {
    this.#ask();
    return this.#processId;
  }

  /** The session of that process, likewise. */
  get sessionId(): number | undefined {
    this.#ask();
    return this.#sessionId;
  }

  /** What its token says; undefined if the client has sent nothing, or nobody asked in time. */
  get identified(): Identified | undefined {
    this.#readToken();
    return this.#identified;
  }

  /** Whether the connection has ended before anybody wanted to know anything. */
  get missed(): boolean {
    return this.#ended && !this.#shown;
  }

  /** The program gets the client. */
  show(): void {
    if (this.#shown || this.#ended) return;
    this.#shown = true;
    this.#ask();
    this.#readToken();
  }

  /** The program gets an exchange, and by it perhaps the client. */
  exchangeBegan(): void {
    this.#exchanges++;
  }

  /** The program is done with an exchange. */
  exchangeEnded(): void {
    this.#exchanges--;
  }

  /**
   * Takes the token with which the client has sent its first data. Windows tells that of the message
   * that was read last, so nothing may be read in between. False: a shortage prevented it, so try
   * again later.
   */
  takeToken(): boolean {
    if (this.#ended) return true;
    if (this.#token === undefined) {
      const { status, call, token } = this.#kernel.openToken(this.#handle);
      if (isShortage(status)) return false;
      if (status === Status.SUCCESS) this.#token = token;
      else this.#identified = { status, call, identity: undefined };
    }
    return !this.#shown || this.#readToken();
  }

  /** The client is about to be disconnected, and Windows will tell nothing more about it. */
  end(): void {
    if (this.#exchanges > 0) this.show();
    // A shortage may have passed.
    if (this.#shown) this.#readToken();
    this.#ended = true;
    this.#closeToken();
  }

  #ask(): void {
    if (this.#asked || this.#ended) return;
    this.#asked = true;
    this.#processId = this.#kernel.clientProcess(this.#handle);
    this.#sessionId = this.#kernel.clientSession(this.#handle);
  }

  /** False: a shortage prevented it, so it is read when somebody asks again. */
  #readToken(): boolean {
    if (this.#token === undefined) return true;
    this.#identified = this.#kernel.identify(this.#token);
    if (isShortage(this.#identified.status)) return false;
    this.#closeToken();
    return true;
  }

  #closeToken(): void {
    if (this.#token !== undefined) this.#kernel.closeToken(this.#token);
    this.#token = undefined;
  }
}
