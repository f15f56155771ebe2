/** Lines about the setup on stderr. A run that finds everything in the cache prints none. */

export function log(message: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`[windows] ${message}\n`));
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

/** Says what begins, every `period` milliseconds how far it is, and how long it took. */
export async function withProgress<T>(
  title: string,
  work: (detail: (text: string) => void) => Promise<T>,
  period = 5000,
): Promise<T> {
  const begin = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - begin) / 1000)} s`;
  let detail = "";
  log(`${title} ...`);
  const timer = setInterval(() => log(`${title}: ${detail}${elapsed()}`), period);
  try {
    const result = await work((text) => detail = `${text}, `);
    log(`${title}: done, ${detail}${elapsed()}`);
    return result;
  } finally {
    clearInterval(timer);
  }
}
