/**
 * The functions of the module on any loop.
 *
 * @module
 */

import { callOn } from "../client/call.ts";
import { connectOn } from "../client/connect.ts";
import { listPipesOn } from "../client/list_pipes.ts";
import { notifyOn } from "../client/notify.ts";
import { exchangesOn } from "../exchange/exchanges.ts";
import { serveOn } from "../exchange/serve.ts";
import { listenOn } from "../listen/listen.ts";
import type { ListNames, OpenLoop } from "../loop/isolate.ts";
import type { Pipes } from "./pipes.ts";

/** See the module. */
export function pipesOn(open: OpenLoop, list: ListNames): Pipes {
  return {
    serve: (options, responder) => serveOn(open, options, responder),
    exchanges: (options) => exchangesOn(open, options),
    listen: (options) => listenOn(open, options),
    connect: (options) => connectOn(open, options),
    call: (path, message, options) => callOn(open, path, message, options),
    notify: (path, message, options) => notifyOn(open, path, message, options),
    listPipes: () => listPipesOn(list),
  };
}
