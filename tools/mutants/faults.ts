/**
 * All faults that are planted.
 *
 * @module
 */

import { ADMISSION_FAULTS } from "./admission_faults.ts";
import { CLIENT_FAULTS } from "./client_faults.ts";
import { INSTANCE_FAULTS } from "./instance_faults.ts";
import { LOOP_FAULTS } from "./loop_faults.ts";
import { MESSAGE_FAULTS } from "./message_faults.ts";
import type { Mutant } from "./mutant.ts";
import { SERVER_FAULTS } from "./server_faults.ts";

/** See the module. */
export const FAULTS: readonly Mutant[] = [
  ...LOOP_FAULTS,
  ...MESSAGE_FAULTS,
  ...INSTANCE_FAULTS,
  ...SERVER_FAULTS,
  ...CLIENT_FAULTS,
  ...ADMISSION_FAULTS,
];
