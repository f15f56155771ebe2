/**
 * Decoders that lose no message to a bad frame after it.
 *
 * @module
 */

import type { BuiltInDecoder } from "../../options/framing.ts";

type Messages = Uint8Array<ArrayBuffer>[];

/** Splits a stream into messages, and adds each to a list once it is complete. */
export interface Splitter {
  /** Takes the next bytes of the stream. Not called again once it has thrown. */
  split(chunk: Uint8Array, messages: Messages): void;
  /** Takes the end of the stream. */
  end(messages: Messages): void;
}

/**
 * A decoder that returns the messages before a bad frame, and throws at the next call. Otherwise it
 * would depend on how the stream was cut whether these messages are received.
 */
export function decoderOf(splitter: Splitter): BuiltInDecoder {
  let fault: { readonly error: unknown } | undefined;
  const collect = (step: (messages: Messages) => void) => {
    if (fault !== undefined) throw fault.error;
    const messages: Messages = [];
    try {
      step(messages);
    } catch (error) {
      fault = { error };
      if (messages.length === 0) throw error;
    }
    return messages;
  };
  return {
    push: (chunk) => collect((messages) => splitter.split(chunk, messages)),
    end: () => collect((messages) => splitter.end(messages)),
  };
}
