/**
 * Faults of connections that send and receive at the same time, at either end.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const ARRIVED = "if (this.#incoming.completed(outcome)) this.#deliver();\n" +
  "    else this.#readFailed();";
const SHOW = "this.#accepts.add(this.#shown, (reason) => this.#connection.instance.evict(reason));";

/** See the module. */
export const DUPLEX_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/pipe/duplex.ts", [
    {
      name: "a read that waits for room hides that its client has left",
      text: "return this.#inbox.full || this.link.blocked;",
      replacement: "return this.#inbox.full;",
      tests: ["tests/listen_test.ts"],
    },
    {
      name: "a connection that is to end waits for somebody to receive what its client left",
      text: "if (!this.#calls.awaitsMessage) this.#closeIfDone();",
      replacement: "",
      tests: ["tests/listen_test.ts"],
    },
    {
      name: "a connection that is to end waits until there is room for what its client left",
      text: "if (!this.#calls.awaitsMessage) this.#closeIfDone();",
      replacement: "if (!this.#calls.awaitsMessage && !this.link.blocked) this.#closeIfDone();",
      tests: ["tests/listen_test.ts"],
    },
    {
      name: "what arrives while a write pends wakes nobody",
      text: ARRIVED,
      replacement: "if (!this.#incoming.completed(outcome)) this.#readFailed();\n" +
        "    else if (!this.link.queue.writing) this.#deliver();",
    },
    {
      name: "nothing is written while a read pends",
      text: "queue.add(next);\n    queue.write();",
      replacement: "queue.add(next);\n    if (!this.link.pipeEnd.inbound.expected) queue.write();",
    },
    {
      name: "nobody reads after a read was cancelled",
      text: ARRIVED,
      replacement: "if (!this.#incoming.completed(outcome)) this.#readFailed();\n" +
        '    else if (outcome !== "cancelled") this.#deliver();',
    },
    {
      name: "any amount may be queued",
      text: "if (queued > maxQueued && !this.#writesEnding)",
      replacement: "if (queued > maxQueued && this.#writesEnding)",
    },
    {
      name: "the end of a direction is the end of the connection",
      text: "const over = this.#writesOver && this.#inbox.over && !this.#inbox.full;",
      replacement: "const over = this.#inbox.over && !this.#inbox.full;",
    },
    {
      name: "a direction is said to be ended before everything is written",
      text: 'await this.call("send");',
      replacement: 'this.call("send").catch(() => {});',
    },
    {
      name: "a program may end though a call of a connection waits",
      text: "this.#hold.callBegan();",
      replacement: "",
    },
    {
      name: "a program may end while a connection that it closes is not closed",
      text: "this.#hold.close(true);\n    this.#closeIfDone();",
      replacement: "this.#closeIfDone();",
    },
    {
      name: "how a connection has ended is never told",
      text: "this.#closed?.resolve(ended);",
      replacement: "",
    },
    {
      name: "a graceful end drops what is queued",
      text: "this.#finishing && this.link.queue.empty && this.#calls.allQueued;",
      replacement: "this.#finishing && this.#calls.allQueued;",
    },
    {
      name: "a graceful end waits for ever",
      text: "written(): void {\n    this.#closeIfDone();",
      replacement: "written(): void {",
    },
    {
      name: "a message that arrives is received twice",
      text: "this.#calls.nextToReceive()?.resolve(message);",
      replacement: "for (let i = 0; i < 2; i++) this.#calls.nextToReceive()?.resolve(message);",
    },
    {
      name: "a write that finds the other end gone leaves a connection open that only writes",
      text: 'if (this.#settings.direction === "write") {\n      this.#incoming.end();\n' +
        "      return this.#deliver();\n    }",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/incoming.ts", [
    {
      name: "what a cancelled read has brought is lost",
      text: "this.inbox.arrived(this.#link.length);",
      replacement:
        "if (!this.#link.pipeEnd.inbound.cancelled) this.inbox.arrived(this.#link.length);",
    },
    {
      name: "a cancelled read is a failure",
      text: "return this.#link.pipeEnd.inbound.cancelled;",
      replacement: "return false;",
    },
    {
      name: "the next message is read over one that nobody has received",
      text: "if (this.#reading || this.#peerClosed || this.inbox.full) return this.#reading;",
      replacement: "if (this.#reading || this.#peerClosed) return this.#reading;",
    },
    {
      name: "the end of the connection is the end of a direction",
      text: "this.#peerClosed = true;",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/inbox.ts", [
    {
      name: "an empty message is one that is received, though it ends its direction",
      text: "const ends = this.#emptyEnds && length === 0;",
      replacement: "const ends = this.#emptyEnds && length < 0;",
    },
    {
      name: "a decoder is given what a stream has taken",
      text: "if (raw !== undefined || this.#newDecoder === undefined) return item;",
      replacement: "if (this.#newDecoder === undefined) return item;",
    },
  ]),
  ...faultsOf("src/pipe/calls.ts", [
    {
      name: "a receive that was given up takes the next message",
      text: "    this.remove(call);\n    return true;",
      replacement: "    if (call.writes) this.remove(call);\n    return true;",
    },
  ]),
  ...faultsOf("src/pipe/outbox.ts", [
    {
      name: "the rest of what was cut is lost",
      text: "const rest = head.length - this.#sent;",
      replacement: "const rest = Math.min(head.length - this.#sent, this.#left);",
    },
    {
      name: "what was gathered is written again",
      text: "this.#left = this.#gathers ? this.#left - rest : -1;",
      replacement: "this.#left = -1;",
    },
    {
      name: "what follows something that was cut loses its beginning",
      text: "this.#sent = 0;\n    this.#left = this.#gathers",
      replacement: "this.#left = this.#gathers",
    },
    {
      name: "gathering takes too much of the last one",
      text: "subarray(0, LONGEST_PART - length);",
      replacement: "subarray(0, LONGEST_PART - rest.length);",
    },
    {
      name: "a later message overtakes those that wait",
      text: "this.#messages.push(message);",
      replacement: "this.#messages.splice(1, 0, message);",
    },
  ]),
  ...faultsOf("src/pipe/write_queue.ts", [
    {
      name: "a client that takes one message of several is idle",
      text: "this.onAccepted?.();",
      replacement: "if (this.#outbox.head?.waiting === this.#queued) this.onAccepted?.();",
    },
  ]),
  ...faultsOf("src/pipe/pipe_end.ts", [
    {
      name: "a close forgets the write in flight",
      text: "    this.cancel(this.outbound);\n",
      replacement: "",
    },
  ]),
  ...faultsOf("src/server/lifecycle.ts", [
    {
      name: "a connection that its program has closed waits for its last write",
      text: 'to(CLOSING, "dropUnsent", "cancelOut", "cancelIn", "limitWrite", "awaitQuiet")',
      replacement: 'to(CLOSING, "dropUnsent", "cancelIn", "limitWrite", "awaitQuiet")',
    },
  ]),
  ...faultsOf("src/server/pool.ts", [
    {
      name: "clients that nobody accepts are taken without end",
      text: "sessions.backlog < settings.instances;",
      replacement: "sessions.backlog >= 0;",
    },
  ]),
  ...faultsOf("src/pipe/framing/headed_splitter.ts", [
    {
      name: "the beginning of a frame is lost at the end of a chunk",
      text: "this.#message.append(chunk.subarray(at), this.#head.messageLength);\n        break;",
      replacement: "break;",
    },
    {
      name: "a limit is checked when the message is whole",
      text: "if (length > this.#max) throw new FrameTooLong(length, this.#max);\n" +
        "    this.#inMessage = true;\n  }\n\n" +
        "  #finish(chunk: Uint8Array, at: number, end: number): Uint8Array<ArrayBuffer> {\n",
      replacement: "this.#inMessage = length >= 0;\n  }\n\n" +
        "  #finish(chunk: Uint8Array, at: number, end: number): Uint8Array<ArrayBuffer> {\n" +
        "    const length = this.#head.messageLength;\n" +
        "    if (length > this.#max) throw new FrameTooLong(length, this.#max);\n",
    },
  ]),
  ...faultsOf("src/pipe/framing/length_prefixed.ts", [
    {
      name: "a prefix that is cut twice is read wrong",
      text: "this.#held += chunk.length - from;",
      replacement: "this.#held = chunk.length - from;",
    },
  ]),
  ...faultsOf("src/pipe/framing/lines.ts", [
    {
      name: "a line that goes on in the next chunk loses its beginning",
      text: "if (start < chunk.length) this.#append(chunk.subarray(start));",
      replacement: "",
    },
  ]),
  ...faultsOf("src/pipe/streams.ts", [
    {
      name: "a writable never waits",
      text: "if (waits) return await written;",
      replacement: "if (waits && chunk === undefined) return await written;",
    },
  ]),
  ...faultsOf("src/pipe/chunks.ts", [
    {
      name: "what does not fit into the memory of a read is lost",
      text: "this.#rest = this.#rest.subarray(part.length);",
      replacement: "this.#rest = NO_BYTES;",
    },
  ]),
  ...faultsOf("src/listen/accept_queue.ts", [
    {
      name: "connections that nobody has accepted are forgotten",
      text: "for (const evict of waiting) evict(reason);",
      replacement: "",
    },
    {
      name: "an accept that was given up takes the next connection",
      text: "if (remove(this.#waiters, waiter)) waiter.reject(signal?.reason);",
      replacement: "waiter.reject(signal?.reason);",
    },
  ]),
  ...faultsOf("src/listen/connection_session.ts", [
    {
      name: "a client is shown twice",
      text: SHOW,
      replacement: `${SHOW}\n    ${SHOW}`,
    },
    {
      name: "a message that is received keeps its room",
      text: "this.#reader.release();\n    return message;",
      replacement: "return message;",
    },
    {
      name: "an instance ends the next connection when a write of the last one fails",
      text: "if (this.#connection.clientDisconnected) this.#duplex.unwritten();",
      replacement: "this.#duplex.unwritten();",
    },
    {
      name: "the program is not told of a shutdown",
      text: "if (!this.#over) this.#context.drain.follow(this.#draining);",
      replacement: "",
    },
  ]),
];
