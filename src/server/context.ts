/**
 * State that all instances and sessions of one server share.
 *
 * @module
 */

import type { AccountNames } from "./account_names.ts";
import type { BuiltInFraming } from "../options/framing.ts";
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
  /** How messages are framed; undefined: each is a message of its own in the pipe. */
  readonly framing: BuiltInFraming | undefined;
  /** Limits the bytes of requests of all clients together. */
  readonly budget: Budget;
  readonly processes: ProcessLimit;
  readonly accounts: AccountNames;
  /** Counts for the shutdown report. */
  readonly tally: Tally;
  readonly sessions: Sessions;
  /** Whether the server takes no further requests. */
  draining: boolean;
  /** Aborts the `draining` signals when that begins. */
  readonly drain: Draining;
  /** Called when a request has to wait until others are answered. */
  readonly onBlocked: () => void;
  /** How many clients have connected. */
  clients: number;
}
