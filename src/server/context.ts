/**
 * What all instances and sessions of one server share.
 *
 * @module
 */

import type { AccountNames } from "./account_names.ts";
import type { Budget } from "./budget.ts";
import type { Draining } from "./draining.ts";
import type { ServerHooks } from "./hooks.ts";
import type { ServerSettings } from "../options/server_settings.ts";
import type { ProcessLimit } from "./process_limit.ts";
import type { Sessions } from "./session.ts";
import type { Tally } from "./tally.ts";

/** See the module. */
export interface ServerContext {
  readonly path: string;
  readonly settings: ServerSettings;
  readonly hooks: ServerHooks;
  /** The bytes of requests that all clients together may hold. */
  readonly budget: Budget;
  readonly processes: ProcessLimit;
  readonly accounts: AccountNames;
  /** What a shutdown reports. */
  readonly tally: Tally;
  readonly sessions: Sessions;
  /** No further requests are wanted. */
  draining: boolean;
  /** Tells whoever looks when that begins. */
  readonly drain: Draining;
  /** A request waits until others are answered. */
  readonly onBlocked: () => void;
  /** How many clients have come. */
  clients: number;
}
