/**
 * What the server of the soak allows: so little that every limit is reached again and again.
 *
 * @module
 */

/** The options of the server. */
export const LIMITS = {
  instances: 4,
  maxInstances: 36,
  maxPerProcess: 16,
  maxMessage: 1024 * 1024,
  maxBuffered: 2 * 1024 * 1024,
  idleTimeout: 4_000,
  writeTimeout: 2_000,
  responderTimeout: 3_000,
} as const;

/** Instances that may listen when nobody is connected: once clients have left, twice as many. */
export const MOST_LISTENING = 2 * LIMITS.instances;

/** The first byte of what well-behaved clients send; the second is how long the answer takes. */
export const WELL_BEHAVED = 0x47;
