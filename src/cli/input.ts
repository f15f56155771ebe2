/**
 * Standard input, line by line.
 *
 * @module
 */

/** Each line without its end; the last one need not have one. */
export async function* linesOf(
  input: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void, void> {
  let unfinished = "";
  for await (const text of input.pipeThrough(new TextDecoderStream())) {
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() ?? "";
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  if (unfinished !== "") yield unfinished;
}
