/**
 * The version of the module.
 *
 * @module
 */

/** The same as in `deno.json`. */
export const VERSION = "0.2.0";
