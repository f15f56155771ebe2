/**
 * `serve`: answers requests with an echo, or by another program.
 *
 * @module
 */

import type { Exchange } from "../exchange/exchange.ts";
import { inJson } from "./bytes.ts";
import { type Command, type Environment, FRAMING, UsageError } from "./command.ts";

/** See the module. */
export const serve: Command = {
  summary:
    "Answers each request with itself, or with what COMMAND prints when it gets the request as its\n" +
    "standard input; if it prints nothing, the reply is empty. A COMMAND needs --allow-run=COMMAND",
  usage: "PATH [-- COMMAND [ARGUMENT]...]",
  count: [1, 1],
  options: {
    framing: FRAMING,
    type: {
      type: "string",
      value: "message|byte",
      help: "the type of the pipe; byte with --framing",
    },
    access: {
      type: "string",
      value: "current-user|local-users",
      help: "who can connect; the current user by default",
    },
    concurrency: { type: "string", value: "N", help: "how many requests are answered at once; 8" },
  },
  async run(args, environment) {
    const { pipes, print, complain, stopped } = environment;
    const json = args.flag("json");
    const type = args.word("type", ["message", "byte"]);
    const framing = args.framing();
    if (type === "byte" && framing === undefined) {
      throw new UsageError("--type byte needs --framing: a byte pipe has no messages");
    }
    const [program] = args.rest;
    // Before anybody can ask.
    if (program !== undefined) await environment.permit(program);
    const tell = ({ client: { id, processId }, request }: Exchange) => {
      const told = { client: id, processId, ...inJson("request", request) };
      print(`${JSON.stringify(told)}\n`);
    };
    const server = pipes.serve({
      path: args.at(0),
      framing,
      type,
      access: args.word("access", ["current-user", "local-users"]),
      concurrency: args.integer("concurrency", 1, 1_000, 8),
      onListen: ({ path }) =>
        print(json ? `${JSON.stringify({ path })}\n` : `Listening on ${path}\n`),
      onError(error, { client }) {
        complain(error instanceof Error ? error.message : String(error));
        client.close();
      },
    }, async (request, exchange) => {
      if (json) tell(exchange);
      return program === undefined ? request : await answer(args.rest, request, environment);
    });
    const stop = () => server.shutdown();
    stopped.addEventListener("abort", stop, { once: true });
    if (stopped.aborted) stop();
    await server.finished;
    return 0;
  },
};

async function answer(
  command: readonly string[],
  request: Uint8Array,
  { run }: Environment,
): Promise<Uint8Array<ArrayBuffer>> {
  const { code, output } = await run(command, request);
  if (code !== 0) throw new Error(`${command[0]} ended with exit code ${code}`);
  return output;
}
