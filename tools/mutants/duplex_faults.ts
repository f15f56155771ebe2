/**
 * Faults of connections that send and receive at the same time, at either end.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const ARRIVED = "this.#inbox.arrived();\n        return this.#deliver();";
const CANCELLED = "if (!this.#link.pipeEnd.inbound.cancelled) return this.#readFailed();\n" +
  "        return this.#deliver();";

/** See the module. */
export const DUPLEX_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/pipe/duplex.ts", [
    {
      name: "what arrives while a write pends wakes nobody",
      text: ARRIVED,
      replacement:
        "this.#inbox.arrived();\n        if (!this.#link.queue.writing) this.#deliver();\n" +
        "        return;",
    },
    {
      name: "nothing is written while a read pends",
      text: "if (!queue.writing) queue.write();",
      replacement: "if (!queue.writing && !this.#reading) queue.write();",
    },
    {
      name: "what a cancelled read has brought is lost",
      text: ARRIVED,
      replacement: "if (!this.#link.pipeEnd.inbound.cancelled) this.#inbox.arrived();\n" +
        "        return this.#deliver();",
    },
    {
      name: "a cancelled read is a failure",
      text: CANCELLED,
      replacement: "if (!this.#reading) return this.#readFailed();\n" +
        "        return this.#deliver();",
    },
    {
      name: "nobody reads after a read was cancelled",
      text: CANCELLED,
      replacement: "if (!this.#link.pipeEnd.inbound.cancelled) return this.#readFailed();\n" +
        "        return;",
    },
    {
      name: "the next message is read over one that nobody has received",
      text:
        "if (this.#reading || this.#peerClosed || this.#ended !== undefined || this.#inbox.full)",
      replacement: "if (this.#reading || this.#peerClosed || this.#ended !== undefined)",
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
      name: "the end of the connection is the end of a direction",
      text: "this.#peerClosed = true;",
      replacement: "",
    },
    {
      name: "who has ended its direction ends the connection that the other end has closed",
      text: 'this.#link.close(this.#peerClosed ? "peer" : "self");',
      replacement: 'this.#link.close("self");',
    },
    {
      name: "a direction is said to be ended before everything is written",
      text: 'await this.call("send");',
      replacement: 'this.call("send").catch(() => {});',
    },
    {
      name: "how a connection has ended is never told",
      text: "this.#closed?.resolve(this.#ended);",
      replacement: "",
    },
    {
      name: "a graceful end drops what is queued",
      text: 'if (queue.empty) return this.#link.close("self");',
      replacement: 'if (queue.queued(0) >= 0) return this.#link.close("self");',
    },
    {
      name: "a graceful end waits for ever",
      text: 'if (this.#finishing && this.#ended === undefined) this.#link.close("self");',
      replacement: "",
    },
    {
      name: "a message that arrives is received twice",
      text: "this.#calls.nextToReceive()?.resolve(message);",
      replacement: "this.#calls.nextToReceive()?.resolve(message);\n" +
        "      if (message.length > 0) this.#calls.nextToReceive()?.resolve(message);",
    },
    {
      name: "a write that finds the other end gone leaves the connection open",
      text: "if (writesOnly || isEnd(loop.kernel.peek(pipeEnd.handle).status)) this.#peerEnded();",
      replacement:
        "if (writesOnly && isEnd(loop.kernel.peek(pipeEnd.handle).status)) this.#peerEnded();",
    },
  ]),
  ...faultsOf("src/pipe/inbox.ts", [
    {
      name: "an empty message is one that is received, though it ends its direction",
      text: "if (item.length === 0 && this.#emptyEnds) this.end();\n      else if (raw",
      replacement: "if (raw",
    },
    {
      name: "a decoder is given what a stream has taken",
      text: "else if (raw || this.#newDecoder === undefined) return item;",
      replacement: "else if (this.#newDecoder === undefined) return item;",
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
      text: "this.#sent = 0;\n    this.#left",
      replacement: "this.#left",
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
      name: "a connection goes on though a message was cut",
      text: "if (partly || !this.remove(message)) return this.#owner.aborted();",
      replacement: "if (!this.remove(message)) return this.#owner.aborted();",
    },
    {
      name: "a client that takes one message of several is idle",
      text: "    this.#owner.accepted();\n",
      replacement: "",
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
      text: "if (waits) await written;",
      replacement: "if (waits && chunk === undefined) await written;",
    },
  ]),
  ...faultsOf("src/pipe/connection.ts", [
    {
      name: "what waits is memory that the program may change",
      text: "return own || this.#duplex.submitsAtOnce(kind, bytes) ? bytes : bytes.slice();",
      replacement: "return own || kind !== undefined ? bytes : bytes.slice();",
    },
    {
      name: "what does not fit into the memory of a read is lost",
      text: "this.#rest = this.#rest.subarray(part.length);",
      replacement: "this.#rest = new Uint8Array(0);",
    },
  ]),
  ...faultsOf("src/listen/accept_queue.ts", [
    {
      name: "connections that nobody has accepted are forgotten",
      text: "return this.#connections.splice(0);",
      replacement: "return this.#connections.splice(0, 0);",
    },
    {
      name: "an accept that was given up takes the next connection",
      text: "if (remove(this.#waiters, waiter)) waiter.reject(signal?.reason);",
      replacement: "waiter.reject(signal?.reason);",
    },
  ]),
  ...faultsOf("src/listen/session_states.ts", [
    {
      name: "a client is shown before it is admitted",
      text: 'if (who === "unadmitted") return to(UNADMITTED, "read");',
      replacement: "",
    },
    {
      name: "the first message of a client that is admitted is lost",
      text: 'return to(OPEN, "show", "pass");',
      replacement: 'return to(OPEN, "show");',
    },
  ]),
  ...faultsOf("src/listen/connection_session.ts", [
    {
      name: "a client is shown twice",
      text: "this.#accepts.add(shown);",
      replacement: "this.#accepts.add(shown);\n    this.#accepts.add(shown);",
    },
    {
      name: "a message that is received keeps its room",
      text: "this.#reader.release();\n    return message;",
      replacement: "return message;",
    },
    {
      name: "a connection that ends keeps the room of what nobody has received",
      text: "    this.#reader.release();\n    this.#context",
      replacement: "    this.#context",
    },
    {
      name: "an instance ends the next connection when a write of the last one fails",
      text: "if (this.#connection.clientDisconnected) this.#duplex.unwritten();",
      replacement: "this.#duplex.unwritten();",
    },
    {
      name: "the program is not told of a shutdown",
      text: "this.#context.drain.follow(this.#draining);",
      replacement: "",
    },
  ]),
];
