/**
 * The machines of the module.
 *
 * @module
 */

import { begin as beginExchanges, transition } from "../../src/exchange/exchange_machine.ts";
import * as exchanges from "../../src/exchange/exchange_states.ts";
import * as connections from "../../src/listen/session_states.ts";
import * as lifecycle from "../../src/server/lifecycle.ts";
import { machine } from "./machine.ts";

/** The life of an instance. */
export const INSTANCE = machine({ ...lifecycle, initial: [lifecycle.INITIAL] });

/** What begins the session of a client that nothing is asked about. */
export const BEGIN = beginExchanges("new", false);

/** The session of a client whose requests are answered. */
export const EXCHANGES = machine({ ...exchanges, transition, initial: [BEGIN.state] });

/** The session of a client that is given to the program as a connection. */
export const CONNECTIONS = machine({
  ...connections,
  initial: (["known", "unknown", "unadmitted"] as const)
    .map((who) => connections.begin(who).state),
});
