/**
 * Faults of servers whose requests and replies are framed.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const FRAMING_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/pipe/framed_reader.ts", [
    {
      name: "a frame is cut at a border",
      text: "const chunk = this.#chunks.takeMessage();",
      replacement: "const chunk = this.#chunks.takeMessage();\n      this.#decoder = undefined;",
    },
    {
      name: "the limit of a framed message is checked when it is whole, or never",
      text: "framing.decoder(longest)",
      replacement: "framing.decoder(Math.max(longest, 0x7fff_ffff))",
    },
    {
      name: "a request follows a bad frame",
      text: "this.#failure = { error };",
      replacement: "this.#decoder = undefined;",
    },
    {
      name: "of the requests of one chunk only the first is served",
      text: "this.#position++;",
      replacement: "this.#position = this.#decoded.length;",
    },
    {
      name: "the rest of a frame is not read",
      text: "this.#chunks.readFirst();\n    if (cancelled) this.cancel();",
      replacement: "if (cancelled) this.cancel();",
    },
    {
      name: "a client is not known before the rest of its first frame is read",
      text: "(first ? this.#announce() : this.#readOn())",
      replacement: "(first ? this.#readOn() : this.#readOn())",
      tests: ["tests/client_facts_test.ts"],
    },
    {
      name: "requests that were decoded are served although the connection has ended",
      text: 'return isEnd(status) ? "ended" : "cancelled";',
      replacement: "return this.received(status);",
    },
  ]),
  ...faultsOf("src/server/connection.ts", [
    {
      name: "replies are not framed",
      text: "framing === undefined ? bytes : encodeMessage(framing.encode(bytes))",
      replacement: "framing === undefined ? bytes : bytes",
    },
  ]),
];
