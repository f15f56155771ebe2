/**
 * The contract of the seam, as far as a kernel can see that it is broken.
 *
 * @module
 */

/** Whoever breaks the contract is told so by an error that begins with `contract:`. */
export class Contract {
  /** How far the program has come. */
  state: "running" | "unloading" | "abandoned" | "disposed" = "running";
  #breach: Error | undefined = undefined;

  /** The first breach, even if its error was caught. */
  get breach(): Error | undefined {
    return this.#breach;
  }

  /** Throws the error of a breach, which is remembered, since whoever calls may catch it. */
  fail(what: string): never {
    const error = new Error(`contract: ${what}`);
    this.#breach ??= error;
    throw error;
  }

  /** For a call that is allowed as long as the kernel exists. */
  living(): void {
    if (this.state === "disposed") this.fail("the kernel was disposed of");
  }

  /** For a call that a program that goes away has no use for. */
  running(): void {
    this.living();
    if (this.state !== "running") this.fail("the program goes away");
  }
}
