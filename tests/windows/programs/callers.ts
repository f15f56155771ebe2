/** Calls a pipe from several clients side by side, and prints what became of it: path, clients, calls. */

import { call } from "../../../mod.ts";

const [path = "", clients = NaN, calls = NaN] = [Deno.args[0], ...Deno.args.slice(1).map(Number)];
const errors: string[] = [];
let answered = 0;

async function ask(client: number): Promise<void> {
  for (let i = 0; i < calls; i++) {
    const question = `${client}:${i}`;
    try {
      const answer = await call(path, question, { connectTimeout: 60_000 });
      if (new TextDecoder().decode(answer) === question) answered++;
      else errors.push(`${question} got another answer`);
    } catch (error) {
      errors.push(`${question}: ${error}`);
    }
  }
}

await Promise.all(Array.from({ length: clients }, (_, client) => ask(client)));
// deno-lint-ignore no-console
console.log(JSON.stringify({ answered, errors }));
