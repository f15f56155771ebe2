/**
 * Faults of the client.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const CLIENT_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/client.ts", [
    {
      name: "a client that gives up keeps its timer",
      text: "kernel.stopTimer(timer);",
      replacement: "",
    },
    {
      name: "a client that could not connect keeps the loop",
      text: "await loop.leave(attempt);",
      replacement: "",
    },
  ]),
  ...faultsOf("src/client_connection.ts", [
    {
      name: "a client writes two messages at once",
      text: "if (this.#senders.length === 1) this.#write(sender);",
      replacement: "this.#write(sender);",
    },
    {
      name: "a client's end is closed with an operation in flight",
      text: "if (this.#closing === undefined || this.#in.expected || this.#out.expected) return;",
      replacement: "if (this.#closing === undefined) return;",
    },
    {
      name: "a client does not see the end",
      text: "this.#ended(null);",
      replacement: "",
    },
    {
      name: "a request that waits for others is the user's memory",
      text: 'return typeof message === "string" ? bytes : bytes.slice();',
      replacement: "return bytes;",
    },
    {
      name: "a connection that is closed never leaves the loop",
      text: "this.#released.resolve(this.#loop.leave(this));",
      replacement: "this.#released.resolve();",
    },
  ]),
];
