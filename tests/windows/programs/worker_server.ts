/**
 * The server of a Worker: listens on the name that the first message tells and answers with what
 * the request and it are called; any further message shuts it down.
 */

import { type PipeServer, serve } from "../../../mod.ts";

// What a Worker has, and the types of a program do not tell.
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<string>) => void;
  postMessage(message: unknown): void;
  close(): void;
};

let server: PipeServer | undefined;

scope.onmessage = async ({ data }) => {
  if (server === undefined) {
    server = serve({ path: data }, (_, exchange) => `${data}: ${exchange.text()}`);
    scope.postMessage("listening");
  } else {
    scope.postMessage(await server.shutdown());
    scope.close();
  }
};
