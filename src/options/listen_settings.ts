/**
 * The settings of a listener: its options, checked and complete.
 *
 * @module
 */

import { type Checked, checkOptions, oneOf, type Unchecked } from "./checks.ts";
import { type ServerSettings, serverSettings } from "./server_settings.ts";

/** Every option that only a listener has. */
const CHECKS = {
  halfClose: oneOf(["none", "empty-message"]),
};

/** The options of a server that a listener does not have. */
interface Unused {
  readonly onConnect: undefined;
  readonly responderTimeout: number;
}

/** See the module. */
export type ListenSettings<Options = unknown> =
  & Omit<ServerSettings<Options>, keyof Unused>
  & Unused
  & Checked<typeof CHECKS>;

/** Reads a listener's options, each once, checks them and fills in the defaults. */
export function listenSettings<
  Options extends Parameters<typeof serverSettings>[0] & Unchecked<typeof CHECKS>,
>(options: Options): ListenSettings<Options> {
  const settings = {
    ...serverSettings(options),
    ...checkOptions(options, CHECKS),
    onConnect: undefined,
    responderTimeout: Infinity,
  };
  const { type, direction, halfClose, authorize } = settings;
  if (type === "byte" && halfClose !== "none") {
    throw new TypeError('Cannot use "halfClose": a byte pipe has no empty messages');
  }
  if (direction === "write" && authorize !== undefined) {
    throw new TypeError(
      'Cannot use "authorize": with direction "write", no client ever sends what identifies it',
    );
  }
  return Object.freeze(settings);
}
