/**
 * Faults in what becomes of the bytes that are read.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const MORE_DATA =
  "if (status === Status.MORE_DATA) return this.#readsRest ? this.#mismatch() : this.#measure();";

/** See the module. */
export const MESSAGE_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/pipe/message_reader.ts", [
    {
      name: "234 is taken as a failure",
      text: MORE_DATA,
      replacement: "",
    },
    {
      name: "a long message arrives in pieces",
      text: MORE_DATA,
      replacement: "if (status === Status.MORE_DATA) return this.#takeWhole();",
    },
    {
      name: "the tail of a long message is dropped",
      text: "this.kernel.take(this.operation.slot, this.#message.subarray(this.#piece));",
      replacement: "this.#message = this.#message.slice(0, this.#piece);",
    },
    {
      name: "the glue trap is unchecked: a rest of another length",
      text: "if (rest !== this.#rest) {\n      if (this.#piece > 0) return this.#mismatch();",
      replacement: "if (rest !== this.#rest && this.#piece === 0) {",
    },
    {
      name: "the glue trap is unchecked: a rest that is gone",
      text: "if (left === 0) return this.#awaits ? this.#awaitNext() : this.#mismatch();",
      replacement: "if (left === 0 && this.#awaits) return this.#awaitNext();",
    },
    {
      name: "the glue trap is unchecked: a rest that goes on",
      text: MORE_DATA,
      replacement:
        "if (status === Status.MORE_DATA) return this.#readsRest ? this.#joinRest() : this.#measure();",
      tests: ["tests/message_reader_test.ts"],
    },
    {
      name: "a message after one that is longer than the quota is read in two pieces",
      text: "this.#awaits = message.length > (this.#quota ?? Infinity);",
      replacement: "",
      tests: ["tests/message_reader_test.ts"],
    },
    {
      name: "a message that came in place of the one that was measured has its length",
      text: "this.#message = new Uint8Array(rest);",
      replacement: "",
    },
    {
      name: "an empty message is taken as the end",
      text: "this.#message = this.kernel.takeNew(this.operation.slot, transferred);",
      replacement: 'if (transferred === 0) return "ended";\n' +
        "    this.#message = this.kernel.takeNew(this.operation.slot, transferred);",
    },
    {
      name: "the length is taken from an earlier look",
      text: "this.#piece = this.transferred;",
      replacement: "this.#piece ||= this.transferred;",
    },
    {
      name: "the limit counts the rest of a message only",
      text: "if (this.#piece + left > this.#longest)",
      replacement: "if (left > this.#longest)",
    },
    {
      name: "short messages have no limit",
      text: "if (transferred > this.#longest)",
      replacement: "if (transferred > 4096)",
    },
    {
      name: "a shortage while measuring ends the connection",
      text: "if (isShortage(status)) return this.#later();",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/chunk_reader.ts", [
    {
      name: "a chunk that does not fit is cut",
      text: "length > 0 && length <= into.length",
      replacement: "length > 0",
      tests: ["tests/streams_test.ts"],
    },
  ]),
];
