/**
 * Connections that are used for one message of the program: it is checked, copied and framed before
 * anything is opened.
 *
 * @module
 */

import { callSettings, type ClientSettings } from "../options/client_settings.ts";
import { type BuiltInFraming, markBuiltIn } from "../options/framing.ts";
import { verifiedFraming } from "../pipe/framing/framings.ts";
import { encodeMessage, type Message } from "../pipe/message.ts";
import type { ClientOptions } from "./connect.ts";

/** A message, and the settings of the connection that sends it. */
export interface OneMessage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly settings: ClientSettings;
}

/**
 * Checks a message and the settings of its connection.
 *
 * @throws {TypeError | RangeError} If either cannot be used.
 */
export function oneMessage(path: string, message: Message, options: ClientOptions): OneMessage {
  // A copy: the program may change the memory while this connects.
  const bytes = encodeMessage(message).slice();
  const settings = callSettings(path, options);
  const { framing } = settings;
  if (framing === undefined) return { bytes, settings };
  return { bytes, settings: { ...settings, framing: framed(verifiedFraming(framing), bytes) } };
}

/** A framing that has framed its only message already. */
function framed({ encode, decoder }: BuiltInFraming, bytes: Uint8Array): BuiltInFraming {
  const frame = encode(bytes);
  return markBuiltIn({ encode: () => frame, decoder });
}
