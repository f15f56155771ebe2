/**
 * A line on a terminal that says how far something is.
 *
 * @module
 */

/** Characters of the bar. */
const BAR = 24;

/** How often the line is drawn, in milliseconds. */
const INTERVAL = 100;

/** See the module. Disposed of, it leaves the terminal as it was. */
export class Progress implements Disposable {
  readonly #draw: (text: string) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  /** The length of the longest line so far, which each later one covers. */
  #drawn = 0;

  /**
   * @param draw Writes to the terminal, as it is.
   * @param state How much is done, from 0 to 1, and what to say about it.
   */
  constructor(draw: (text: string) => void, state: () => readonly [done: number, text: string]) {
    this.#draw = draw;
    const show = () => this.#show(...state());
    this.#timer = setInterval(show, INTERVAL);
    show();
  }

  /** Over the line that was drawn last, without codes that a terminal may not know. */
  #show(done: number, text: string): void {
    const part = Math.min(Math.max(done, 0), 1);
    const full = Math.round(BAR * part);
    const bar = `[${"#".repeat(full)}${"-".repeat(BAR - full)}]`;
    const line = `${bar} ${`${Math.floor(100 * part)}`.padStart(3)} %  ${text}`;
    this.#drawn = Math.max(this.#drawn, line.length);
    this.#draw(`\r${line.padEnd(this.#drawn)}`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#draw(`\r${" ".repeat(this.#drawn)}\r`);
  }
}
