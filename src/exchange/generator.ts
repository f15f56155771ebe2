/**
 * Answers of several messages: an async generator is asked for its next message when Windows has
 * accepted the last one, and ended early when its client disconnects.
 *
 * @module
 */

import type { Message } from "../pipe/message.ts";
import { report } from "../server/user_code.ts";
import type { ServerExchange } from "./exchange.ts";

/** Sends what an async generator yields, message by message, until the exchange is aborted. */
export async function sendAll(
  exchange: ServerExchange,
  messages: AsyncIterable<Message>,
  failed: (error: unknown) => Promise<void>,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  let returned: Promise<void> | undefined;
  let stopWaiting = () => {};
  const end = () => {
    stopWaiting();
    return returned ??= endEarly(iterator);
  };
  exchange.signal.addEventListener("abort", end, { once: true });
  let exhausted = false;
  try {
    do {
      // A throw ends the iterator too.
      exhausted = true;
      const { done, value } = await iterator.next();
      exhausted = Boolean(done);
      if (exhausted) break;
      await new Promise<void>((resolve, reject) => {
        // A write may pend for long; an abort does not wait for it.
        stopWaiting = resolve;
        sendUnlessAborted(exchange, value).then(resolve, reject);
      });
      // If the client had already disconnected, the generator runs up to its first message.
    } while (exchange.aborted === undefined);
    await (exhausted ? returned : end());
  } catch (error) {
    // The generator's cleanup may wait for what `failed` does: do not await it first.
    const ended = exhausted ? returned : end();
    await failed(error);
    await ended;
  } finally {
    exchange.signal.removeEventListener("abort", end);
  }
}

/** Ends a generator before it is exhausted, and waits until it has cleaned up. */
async function endEarly(iterator: AsyncIterator<Message>): Promise<void> {
  try {
    await iterator.return?.();
  } catch (error) {
    report(error);
  }
}

/** Sends a message. An abort is no error of the responder. */
async function sendUnlessAborted(exchange: ServerExchange, message: Message): Promise<void> {
  const sent = exchange.answer(message, false);
  try {
    await sent;
  } catch (error) {
    if (exchange.aborted === undefined) throw error;
  }
}

/** Whether a responder returned a generator, or another async iterable. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<Message> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
