/**
 * Answers of several messages: an async generator is asked for the next one when Windows took the
 * last, and ended early when its client disconnects.
 *
 * @module
 */

import type { Message } from "../pipe/message.ts";
import { report } from "../server/user_code.ts";
import type { ServerExchange } from "./exchange.ts";

/** Sends what an async generator gives, one message after the other, while the client is there. */
export async function sendAll(
  exchange: ServerExchange,
  messages: AsyncIterable<Message>,
  tell: (error: unknown) => Promise<void>,
): Promise<void> {
  const iterator = messages[Symbol.asyncIterator]();
  let returned: Promise<void> | undefined;
  let goOn = () => {};
  const giveUp = () => {
    goOn();
    return returned ??= endEarly(iterator);
  };
  exchange.signal.addEventListener("abort", giveUp, { once: true });
  let exhausted = false;
  try {
    do {
      // It is, too, when this throws.
      exhausted = true;
      const { done, value } = await iterator.next();
      exhausted = Boolean(done);
      if (exhausted) break;
      await new Promise<void>((resolve, reject) => {
        // What is being written may be so for long, and is no work of the generator's.
        goOn = resolve;
        sendWhileThere(exchange, value).then(resolve, reject);
      });
      // The request of a client that had left beforehand is served up to its first message.
    } while (exchange.lost === undefined);
    await (exhausted ? returned : giveUp());
  } catch (error) {
    // Whoever is told of it may be what the generator waits for at its end.
    const end = exhausted ? returned : giveUp();
    await tell(error);
    await end;
  } finally {
    exchange.signal.removeEventListener("abort", giveUp);
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

/** A client that leaves is no error of the responder. */
async function sendWhileThere(exchange: ServerExchange, message: Message): Promise<void> {
  const sent = exchange.answer(message, false);
  try {
    await sent;
  } catch (error) {
    if (exchange.lost === undefined) throw error;
  }
}

/** Whether a responder gave a generator, or something like it. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<Message> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
