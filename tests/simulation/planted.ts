/**
 * Errors that are meant to be thrown.
 *
 * @module
 */

/** See the module. */
export class Planted extends Error {
  constructor(what: string) {
    super(`planted: ${what}`);
  }
}
