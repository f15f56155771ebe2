/**
 * Faults of HTTP. The simulation does not speak it: tests find these.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

const SERVER = ["tests/http_test.ts"];
const COMPLETED = ["tests/http_completed_test.ts"];
const LIMIT = ["tests/http_time_limit_test.ts"];
const CONNECTIONS = ["tests/http_connections_test.ts"];
const CLIENT = ["tests/http_client_test.ts"];

/** See the module. */
export const HTTP_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/http/body.ts", [
    {
      name: "the length of a body is checked when it was given to the handler",
      text: "if (this.#length > this.#max) {",
      replacement: "if (this.#length - chunk.length > this.#max) {",
    },
    {
      name: "a body that nobody wants any more is left in the way of the next request",
      text: '"AbortError"));\n    this.#incoming.resume();',
      replacement: '"AbortError"));',
    },
    {
      name: "a body is received although the handler does not read it",
      text: "this.#incoming.pause();",
      replacement: "",
    },
  ], SERVER),
  ...faultsOf("src/http/request.ts", [
    {
      name: "of two hosts the first is believed",
      text: "hosts.length > 1 ||",
      replacement: "",
    },
    {
      name: "an unknown coding of a body is passed over",
      text: 'if (encoding.toLowerCase() !== "chunked")',
      replacement: 'if (!encoding.toLowerCase().includes("chunked"))',
    },
  ], SERVER),
  ...faultsOf("src/http/response.ts", [
    {
      name: "a response is sent faster than the client takes it",
      text: "await write(this.#outgoing, chunk);",
      replacement: "this.#outgoing.write(chunk);",
    },
    {
      name: "the body of a response goes on although the client has left",
      text: 'outgoing.once("close", cancel);',
      replacement: "",
    },
  ], SERVER),
  ...faultsOf("src/http/connection.ts", [
    {
      name: "a shutdown leaves connections that rest",
      text: "if (this.#open.size === 0 && this.#served && !this.duplex.destroyed)",
      replacement: "if (this.#open.size === 0 && this.#served && this.duplex.destroyed)",
    },
    {
      name: "a body that nobody wants is received to its end, however long it is",
      text: "if (this.duplex.bytesRead > this.#quota)",
      replacement: "if (this.duplex.bytesRead > Infinity + this.#quota)",
    },
    {
      name: "a head that comes after another request may take for ever",
      text: "if (!this.#resting) return;",
      replacement: "return;",
    },
  ], SERVER),
  ...faultsOf("src/http/time_limit.ts", [
    {
      name: "a time that is set anew ends with the timer of the last one",
      text: "if (this.#over > performance.now()) return this.#start();",
      replacement: "",
    },
    {
      name: "a time that is shorter than the last one is not looked after",
      text: "if (this.#over < this.#looks) this.#start();",
      replacement: "if (this.#looks === Infinity) this.#start();",
    },
  ], LIMIT),
  ...faultsOf("src/http/exchange.ts", [
    {
      name: "a connection is used again after a request that was refused",
      text: "if (status !== 500) this.#outgoing.shouldKeepAlive = false;",
      replacement: "",
      tests: SERVER,
    },
    {
      name: "a client that leaves does not abort its request",
      text: "this.#abort.abort(reason);",
      replacement: "",
      tests: CONNECTIONS,
    },
    {
      name: "completed settles when the response was given to node:http",
      text: "await sendResponse(this.#outgoing, response);",
      replacement: "await sendResponse(this.#outgoing, response);\n    this.#completed.resolve();",
    },
    {
      name: "completed resolves although the rest could not be written",
      text: "!incoming.socket.destroyed && incoming.socket.errored === null",
      replacement: "true || incoming.socket.destroyed",
    },
  ], COMPLETED),
  ...faultsOf("src/http/serve_http.ts", [
    {
      name: "what follows a refused request is answered",
      text: "if (connection.ending) return;",
      replacement: "",
    },
    {
      name: "a request is said to be another client's",
      text: "const client = connection.duplex.conn.peer;",
      replacement: "const [first = connection] = this.#connections.values();\n" +
        "    const client = first.duplex.conn.peer;",
      tests: CONNECTIONS,
    },
    {
      name: "the first bytes of a new protocol are lost at the server",
      text: "Buffer.from(head)",
      replacement: "Buffer.from(head).subarray(head.length)",
    },
  ], SERVER),
  ...faultsOf("src/http/ask.ts", [
    {
      name: "the first bytes of a new protocol are lost at the client",
      text: "if (head.length > 0) socket.unshift(head);",
      replacement: "if (head.length > 0) socket.read(0);",
    },
    {
      name: "a request that may have had an effect is sent again",
      text: "REPEATABLE.includes(request.method) &&",
      replacement: "",
    },
    {
      name: "an abort does not reach the server",
      text: 'request.signal.addEventListener("abort", abort);',
      replacement: "",
    },
  ], CLIENT),
  ...faultsOf("src/http/client.ts", [
    {
      name: "a connection counts as free before its response was received",
      text: 'answer.outgoing.once("close", () => this.#slots.give());',
      replacement: "this.#slots.give();",
    },
  ], CLIENT),
];
