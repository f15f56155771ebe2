/**
 * All faults that are planted.
 *
 * @module
 */

import { ADMISSION_FAULTS } from "./admission_faults.ts";
import { CLIENT_FAULTS } from "./client_faults.ts";
import { CONNECTION_FAULTS } from "./connection_faults.ts";
import { DUPLEX_FAULTS } from "./duplex_faults.ts";
import { EXCHANGE_FAULTS } from "./exchange_faults.ts";
import { FRAMING_FAULTS } from "./framing_faults.ts";
import { HTTP_FAULTS } from "./http_faults.ts";
import { LIFECYCLE_FAULTS } from "./lifecycle_faults.ts";
import { LOOP_FAULTS } from "./loop_faults.ts";
import { MESSAGE_FAULTS } from "./message_faults.ts";
import type { Mutant } from "./mutant.ts";
import { NODE_FAULTS } from "./node_faults.ts";
import { PUSH_FAULTS } from "./push_faults.ts";
import { SERVER_FAULTS } from "./server_faults.ts";
import { SESSION_FAULTS } from "./session_faults.ts";

/** See the module. */
export const FAULTS: readonly Mutant[] = [
  ...LOOP_FAULTS,
  ...MESSAGE_FAULTS,
  ...LIFECYCLE_FAULTS,
  ...CONNECTION_FAULTS,
  ...ADMISSION_FAULTS,
  ...SESSION_FAULTS,
  ...EXCHANGE_FAULTS,
  ...PUSH_FAULTS,
  ...FRAMING_FAULTS,
  ...SERVER_FAULTS,
  ...CLIENT_FAULTS,
  ...DUPLEX_FAULTS,
  ...NODE_FAULTS,
  ...HTTP_FAULTS,
];
