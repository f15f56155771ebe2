/**
 * The machines of the module.
 *
 * @module
 */

import { begin, transition } from "../../src/exchange/exchange_machine.ts";
import * as exchanges from "../../src/exchange/exchange_states.ts";
import * as admission from "../../src/server/admission_states.ts";
import * as lifecycle from "../../src/server/lifecycle.ts";
import { machine } from "./machine.ts";

/** The life of an instance. */
export const INSTANCE = machine({ ...lifecycle, initial: [lifecycle.INITIAL] });

/** Whether a client is served. */
export const ADMISSION = machine({
  ...admission,
  FINAL: admission.DECIDED,
  initial: [admission.ARRIVING],
});

/** What begins the session of a client. */
export const BEGIN = begin(false);

/** The session of a client whose requests are answered. */
export const EXCHANGES = machine({ ...exchanges, transition, initial: [BEGIN.state] });
