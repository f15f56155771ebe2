/**
 * Why connections end.
 *
 * @module
 */

/**
 * Why a connection ended.
 *
 * - `"peer"`: the other end closed it.
 * - `"self"`: this program closed it, or threw while it answered a request.
 * - `"shutdown"`: the server was shut down.
 * - `"stopped"`: the server was stopped at once: its `signal` aborted, or the program left the loop
 *   over its exchanges. At a client: the program is being unloaded.
 * - `"unauthorized"`: {@linkcode ExchangesOptions.authorize} refused the client.
 * - `"maxMessage"`: a message was longer than {@linkcode ExchangesOptions.maxMessage}.
 * - `"maxQueued"`: a message was sent while more than {@linkcode ExchangesOptions.maxQueued} bytes
 *   waited for the other end to read.
 * - `"maxPerProcess"`: the client's process already had {@linkcode ExchangesOptions.maxPerProcess}
 *   connections.
 * - `"idleTimeout"`: nothing was received for {@linkcode ExchangesOptions.idleTimeout}.
 * - `"writeTimeout"`: a message stayed unread for {@linkcode ExchangesOptions.writeTimeout}.
 * - `"responderTimeout"`: an exchange was not settled within
 *   {@linkcode ExchangesOptions.responderTimeout}.
 * - `"error"`: a call to Windows failed, or what the other end sent cannot be used.
 *
 * For `"error"`, `"unauthorized"` and all limits, there is also an error with the details.
 */
export type CloseReason =
  | "peer"
  | "self"
  | "shutdown"
  | "stopped"
  | "unauthorized"
  | "maxMessage"
  | "maxQueued"
  | "maxPerProcess"
  | "idleTimeout"
  | "writeTimeout"
  | "responderTimeout"
  | "error";
