/**
 * What is wrong with a stream that should consist of frames.
 *
 * @module
 */

/** A message that is longer than allowed. To programs it is a `Deno.errors.InvalidData`. */
export class FrameTooLong extends Deno.errors.InvalidData {
  /** @param length Bytes of the message as far as known, such as "300" or "more than 256". */
  constructor(length: number | string, max: number) {
    super(
      `Cannot decode a frame: a message of ${length} bytes is longer than the limit of ${max} ` +
        "(maxMessage)",
    );
  }
}

/** The error of bytes that are no frame. */
export function badFrame(reason: string): Deno.errors.InvalidData {
  return new Deno.errors.InvalidData(`Cannot decode a frame: ${reason}`);
}

/** The error of a stream that ends within a frame. */
export function unfinishedFrame(): Deno.errors.InvalidData {
  return badFrame("the stream ended within it");
}
