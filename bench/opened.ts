/**
 * A client of a server that may not be there yet.
 *
 * @module
 */

import { Code, type OpenOptions, openPipe, Win32Error } from "../tests/win32/raw.ts";

/** How long a server may take to be there, in milliseconds. */
const PATIENCE = 20_000;

const NOT_YET: readonly number[] = [Code.FILE_NOT_FOUND, Code.PIPE_BUSY];

/** Opens a pipe as soon as there is one, and an instance of it is free. */
export async function opened(path: string, options?: OpenOptions): Promise<bigint> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    try {
      return openPipe(path, options);
    } catch (error) {
      const notYet = error instanceof Win32Error && NOT_YET.includes(error.code);
      if (!notYet || performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
