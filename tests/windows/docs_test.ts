/** The programs of the documentation are run as they stand there, and do what it says. */

import { assertEquals, assertMatch } from "@std/assert";
import { call, type Framing, lines } from "../../mod.ts";
import { Play, type Program as Documented } from "../docs/programs.ts";
import { windowsTest } from "../win32/environment.ts";
import { Program, run } from "./program.ts";

// Programs that print what their comments say

const SHOUT: Documented = ["getting_started", "Listening on"];
const TALK: Documented = ["messages", "function talk"];

/** Servers, and a client of them. */
const TALKS: readonly (readonly [...servers: Documented[], client: Documented])[] = [
  [SHOUT, ["getting_started", 'call("shout"']],
  [SHOUT, ["getting_started", "notify("]],
  [SHOUT, ["performance", "sending"]],
  [["http", "accountName"], ["http", "/upload"]],
  [TALK, ["messages", "something"]],
  [TALK, ["messages", "const reading"]],
  [["service", "3`).unref()"]],
  [["troubleshooting", "nobody-listens-here"]],
];

for (const talk of TALKS) {
  const [page, words] = talk.at(-1) ?? SHOUT;
  const since = page === "http" ? "2.8.0" : "0";
  windowsTest.since(since, `docs/${page}.md: ${words} prints what its comments say`, async () => {
    await using play = await Play.of(...talk);
    const { code, stdout, stderr } = await run(play.args);
    assertEquals([code, stderr], [0, ""]);
    const printed = stdout.split(/\r?\n/).filter((line) => line !== "");
    assertEquals(printed.toSorted(), play.prints.toSorted());
  });
}

// Servers

/** A server, its pipe, and what it answers when it is asked something. */
const SERVERS: readonly {
  readonly page: string;
  readonly words: string;
  readonly pipe: string;
  readonly framing?: Framing;
  readonly asked?: string;
  readonly answer: RegExp;
}[] = [
  { page: "getting_started", words: "[${instance.id}]", pipe: "echo", answer: /^hello$/ },
  { page: "messages", words: "welcome", pipe: "builds", answer: /^welcome$/ },
  { page: "messages", words: 'path: "lines"', pipe: "lines", framing: lines(), answer: /^HELLO$/ },
  { page: "node", words: "duplex.pipe(", pipe: "echo", framing: lines(), answer: /^hello$/ },
  { page: "limits", words: "careful", pipe: "careful", answer: /^hello$/ },
  { page: "security_guide", words: "authorize", pipe: "status", answer: /^S-1-5-\S+ \(.+\)$/ },
  { page: "service", words: "SIGINT", pipe: "echo", answer: /^hello$/ },
  { page: "service", words: "function*", pipe: "clock", answer: /^\d{4}-\d\d-\d\dT/ },
  { page: "service", words: "measure", pipe: "shout", answer: /^HELLO$/ },
  { page: "service", words: "join", pipe: "service", asked: "stop", answer: /^stopped$/ },
  { page: "troubleshooting", words: "onDisconnect", pipe: "shout", answer: /^HELLO$/ },
  {
    page: "from_microsofts_sample",
    words: "serve(",
    pipe: "mynamedpipe",
    answer: /^Default .+\0$/,
  },
  {
    page: "from_microsofts_sample",
    words: "for await",
    pipe: "mynamedpipe",
    answer: /^Default .+\0$/,
  },
  { page: "from_node_net", words: "serve(", pipe: "lines", framing: lines(), answer: /^HELLO$/ },
  { page: "from_dotnet", words: "serve(", pipe: "shout", answer: /^HELLO$/ },
  { page: "clients", words: "streams", pipe: "shout", answer: /^HELLO$/ },
  { page: "clients", words: "streams", pipe: "lines", framing: lines(), answer: /^HELLO$/ },
];

for (const { page, words, pipe, framing, asked = "hello", answer } of SERVERS) {
  windowsTest(`docs/${page}.md: the server with ${words} answers at ${pipe}`, async () => {
    await using play = await Play.of([page, words]);
    await using _server = new Program(play.args);
    const options = { framing, as: "text", connectTimeout: 30_000 } as const;
    assertMatch(await call(play.nameOf(pipe), asked, options), answer);
  });
}
