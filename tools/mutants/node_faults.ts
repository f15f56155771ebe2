/**
 * Faults of the streams for libraries of Node. The simulation knows no streams: tests find these.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const TESTS = ["tests/node_test.ts"];

/** See the module. */
export const NODE_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/node/duplex.ts", [
    {
      name: "a half-close is taken for the end of both directions",
      text: 'allowHalfOpen: conn.halfClose !== "none",',
      replacement: "allowHalfOpen: false,",
    },
    {
      name: "a stream reads on although nobody takes it",
      text: "this.push(chunk);",
      replacement: "if (!this.push(chunk)) this._read();",
    },
    {
      name: "a write of a stream is over before Windows has accepted it",
      text: 'this.#writing.then(() => done(), (error) => done(streamError(error, "write")));',
      replacement: "this.#writing.catch(() => {});\n    queueMicrotask(done);",
    },
    {
      name: "a chunk of a stream changes when the next one is read",
      text: "Buffer.from(this.#incoming.subarray(0, length))",
      replacement: "Buffer.from(this.#incoming.buffer, 0, length)",
    },
    {
      name: "a write of a stream that makes progress is no sign of life",
      text: "this.#idle.refresh();\n" +
        "        await this.conn.write(chunk.subarray(at, at + longest));\n" +
        "        this.#idle.refresh();",
      replacement: "await this.conn.write(chunk.subarray(at, at + longest));",
    },
    {
      name: "an empty message ends a stream",
      text: "if (length === 0) return this._read();",
      replacement: "if (length === 0) return this.#ended();",
    },
    {
      name: "a stream that is destroyed leaves its connection open",
      text: "this.conn.close();",
      replacement: "",
    },
    {
      name: "the end of a stream is seen by readers only",
      text: '      // Emits "end" although nobody reads.\n      this.read(0);',
      replacement: "",
    },
    {
      name: "the end of a stream is told before what its last write came to",
      text: "this.#writing.then(end, end);",
      replacement: "end();",
      tests: ["tests/http_completed_test.ts"],
    },
  ], TESTS),
  ...faultsOf("src/node/errors.ts", [
    {
      name: "a stream to one who has left was reset, not closed",
      text: '"EPIPE" : "ECONNRESET"',
      replacement: '"ECONNRESET" : "EPIPE"',
    },
  ], TESTS),
];
