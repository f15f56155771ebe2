/**
 * Faults of who a client is, and whether it is let in.
 *
 * @module
 */

import { faultsOf, type Mutant } from "./mutant.ts";

/** See the module. */
export const ADMISSION_FAULTS: readonly Mutant[] = [
  ...faultsOf("src/instance.ts", [
    {
      name: "a client that was refused is served",
      text: 'case "refused":\n    case "finish":\n      return finish(false, false);',
      replacement: 'case "refused":\n      return hand(state.gone);\n    case "finish":\n' +
        "      return finish(false, false);",
    },
    {
      name: "the first piece of a request passes for all of it",
      text: "return state.rest ? readRest(state.gone, last) : hand(state.gone);",
      replacement: "return hand(state.gone);",
    },
    {
      name: "nobody is asked about a client whose first request is long",
      text: 'return to(authorizing(event === "partialIntroduction", gone), "authorize");',
      replacement: 'if (event === "partialIntroduction") return readRest(gone, last);\n' +
        '      return to(authorizing(false, gone), "authorize");',
    },
    {
      name: "a shutdown does not wait for a decision",
      text: 'case "drain":\n      return to(state);\n    case "evict":\n' +
        "      return evict(false, false);",
      replacement: 'case "drain":\n    case "evict":\n      return evict(false, false);',
    },
  ]),
  ...faultsOf("src/driver.ts", [
    {
      name: "nobody is asked about a client",
      text: "if (!this.#host.authorizes) this.#raise(event);",
      replacement: "if (this.#introduced) this.#raise(event);",
    },
    {
      name: "a long request is read before its client is admitted",
      text: 'const read = event === "message" || event === "partial";',
      replacement: 'const read = event === "message" || event === "partial" && this.#introduced;',
    },
    {
      name: "a decision that comes late is taken all the same",
      text: "if (client === this.#client) this.#decided(yes, error);",
      replacement: "this.#decided(yes, error);",
    },
    {
      name: "the next client passes for the one that was admitted",
      text: "this.#introduced = false;\n    this.#letGo();",
      replacement: "this.#letGo();",
    },
    {
      name: "every request is an introduction",
      text: "    this.#introduced = true;\n",
      replacement: "",
    },
    {
      name: "a client is asked for after the next read",
      text: "this.#client?.identify(identified);",
      replacement: "this.#loop.atNextTurn(\n        () => this.#client?.identify(" +
        "this.#loop.kernel.identify(this.#handle)),\n      );",
    },
    {
      name: "what Windows has taken counts as waiting for the client",
      text: "if (status === Status.SUCCESS) this.#unqueue(head);",
      replacement: "",
    },
    {
      name: "a client that came before the listen is not told to try again",
      text: "this.#early = status !== Status.SUCCESS;",
      replacement: "",
    },
    {
      name: "a shortage costs a client its identity",
      text: "if (isShortage(identified.status)) {",
      replacement: "if (isShortage(identified.status) && this.#held !== undefined) {",
    },
  ]),
  ...faultsOf("src/server/user_code.ts", [
    {
      name: "whatever is not no is yes",
      text: 'if (typeof answer === "boolean") return answered(answer);',
      replacement: "if (answer !== false) return answered(true);",
    },
    {
      name: "a decision that fails is a yes",
      text: "answered(false, error);",
      replacement: "answered(true, error);",
    },
  ]),
];
