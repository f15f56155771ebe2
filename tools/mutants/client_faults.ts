/**
 * Faults of a client, and of the ends of a pipe, a server's or a client's.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const CLIENT_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/client/pipe_opener.ts", [
    {
      name: "a client that gives up keeps its timer",
      text: "kernel.stopTimer(timer);",
      replacement: "",
    },
    {
      name: "fragments of a byte pipe are taken for messages",
      text: 'return { ...opened, type: "byte" };',
      replacement: "return opened;",
    },
  ]),
  ...faultsOf("src/client/connect.ts", [
    {
      name: "a client that could not connect keeps the loop",
      text: "await loop.leave(opener);",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/message.ts", [
    {
      name: "what an array says of itself is believed",
      text: "return new Uint8Array(buffer, byteOffsetOf(bytes), byteLengthOf(bytes));",
      replacement: "return bytes as Uint8Array<ArrayBuffer>;",
    },
  ]),
  ...faultsOf("src/pipe/pipe_end.ts", [
    {
      name: "an end of a pipe is closed with an operation in flight",
      text: "if (!this.#open || this.inbound.expected || this.outbound.expected) return;",
      replacement: "if (!this.#open) return;",
    },
    {
      name: "an end of a pipe is quiet although a write is in flight",
      text: "if (!this.#open || this.inbound.expected || this.outbound.expected) return;",
      replacement: "if (!this.#open || this.inbound.expected) return;",
    },
    {
      name: "an end of a pipe that is quiet already waits for a completion",
      text: "this.#onQuiet = callback;\n    this.#checkQuiet();",
      replacement: "this.#onQuiet = callback;",
    },
    {
      name: "a slot leaks with each instance",
      text: "this.#loop.freeSlot(this.#slot);",
      replacement: "",
    },
    {
      name: "a handle leaks with each instance",
      text: "this.#loop.kernel.close(this.handle);",
      replacement: "",
    },
    {
      name: "an end of a pipe that is closed waits for what its server or client may never do",
      text: "this.cancel(this.inbound);",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/outbox.ts", [
    {
      name: "a message that is being written is taken back as one that waits",
      text: "return !submitted && !this.cut(message) && remove(this.#messages, message);",
      replacement: "return remove(this.#messages, message);",
    },
  ]),
  ...faultsOf("src/pipe/calls.ts", [
    {
      name: "what was sent later overtakes a request that waits",
      text: 'if (next?.kind === "request") {',
      replacement: `if (next?.kind === "request" && this.#unanswered !== undefined) {
        const later = this.#unwritten.find(({ kind }) => kind === "send");
        if (later !== undefined) remove(this.#unwritten, later);
        return later;
      }
      if (next?.kind === "request") {`,
    },
    {
      name: "requests are not served one at a time",
      text: "if (this.#unanswered !== undefined) return undefined;",
      replacement: "",
    },
    {
      name: "an answer goes to a call that receives, not to its request",
      text: "const next = this.#receivers.shift();",
      replacement: `const receives = this.#receivers.find(({ kind }) => kind === "receive");
      if (receives !== undefined) remove(this.#receivers, receives);
      const next = receives ?? this.#receivers.shift();`,
    },
    {
      name: "a request that was aborted keeps the others waiting",
      text:
        "remove(this.#receivers, call);\n    if (call === this.#unanswered) this.#unanswered = undefined;",
      replacement: "remove(this.#receivers, call);",
    },
    {
      name: "a signal counts after its call is settled",
      text: 'this.#signal?.removeEventListener("abort", this.#abort);',
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/duplex.ts", [
    {
      name: "a connection does not see the end",
      text: 'if (this.#incoming.peerClosed && !this.#inbox.full) return this.link.close("peer");',
      replacement: "",
    },
    {
      name: "an end that a write has found is not looked at",
      text: "this.#endSeen = true;\n    this.#incoming.watch();",
      replacement: "",
    },
    {
      name: "a request takes the message that a receive waits for",
      text: 'if (kind === "request" && this.#calls.receiving) {',
      replacement: "if (kind === undefined) {",
    },
    {
      name: "a connection closes before what waits for an answer is written",
      text: "this.#finishing && this.link.queue.empty && this.#calls.allQueued;",
      replacement: "this.#finishing && this.link.queue.empty;",
      tests: ["tests/connection_test.ts"],
    },
  ]),
  ...faultsOf("src/pipe/incoming.ts", [
    {
      name: "a read that no call needs any more keeps the program",
      text: "this.#link.cancelRead();",
      replacement: "return;",
    },
  ]),
  ...faultsOf("src/pipe/connection.ts", [
    {
      name: "a message that waits is the user's memory",
      text: "return this.#duplex.submitsAtOnce(kind, bytes) ? bytes : bytes.slice();",
      replacement: "return bytes;",
    },
  ]),
  ...faultsOf("src/pipe/ending.ts", [
    {
      name: "a loop is told of its own program's close",
      text: 'kind === "iterate" && byProgram || ',
      replacement: "byProgram && this.byPeer || ",
    },
    {
      name: "a failure that nobody waited for is never told",
      text: "this.#untold = ended.error;",
      replacement: "this.#untold = undefined;",
      tests: ["tests/streams_test.ts"],
    },
  ]),
  ...faultsOf("src/pipe/chunks.ts", [
    {
      name: "what a reader has left is lost to the next one",
      text: "if (rest.length === 0) return await this.#receive();",
      replacement: "if (rest.length >= 0) return await this.#receive();",
      tests: ["tests/streams_test.ts"],
    },
  ]),
  ...faultsOf("src/pipe/write_queue.ts", [
    {
      name: "of messages that are aborted together, only one is",
      text: "this.#aborted.add(message);",
      replacement: "this.#aborted.clear();\n    this.#aborted.add(message);",
      tests: ["tests/outbox_test.ts"],
    },
  ]),
  ...faultsOf("src/client/client_link.ts", [
    {
      name: "a client whose server has ended keeps the program",
      text: "this.pipeEnd.close(",
      replacement: 'if (reason !== "peer") this.pipeEnd.close(',
    },
    {
      name: "a connection that is closed never leaves the loop",
      text: "this.#release(this.loop.leave(this))",
      replacement: "this.#release()",
    },
    {
      name: "a write that fails leaves the connection open",
      text: 'else this.close("error", this.errors.write(status));',
      replacement: "",
    },
  ]),
  ...faultsOf("src/listen/connection_session.ts", [
    {
      name: "a long message that nobody receives is counted for ever",
      text: "this.#duplex.ended(reason, error);\n    this.#reader.release();",
      replacement: "this.#duplex.ended(reason, error);",
    },
    {
      name: "a client that takes what it is sent is idle",
      text: "queue.onAccepted = () => this.#idle.restart();",
      replacement: "queue.onAccepted = undefined;",
    },
  ]),
];
