/** Listens, talks and ends, in the way that the argument names; then nothing is left to do. */

import { connect, listen, type PipeConn } from "../../../mod.ts";

const [way] = Deno.args;
const path = `listener-ends-${crypto.randomUUID()}`;

async function talk(near: PipeConn, far: PipeConn): Promise<void> {
  await near.write(new TextEncoder().encode("hello"));
  await far.read(new Uint8Array(100));
}

switch (way) {
  case "shutdown": {
    const listener = listen({ path });
    const [near, far] = [await connect({ path }), await listener.accept()];
    await talk(near, far);
    far.draining.addEventListener("abort", () => far.close());
    await listener.shutdown();
    break;
  }
  case "dispose": {
    await using listener = listen({ path });
    await using near = await connect({ path });
    await using far = await listener.accept();
    await talk(near, far);
    break;
  }
  case "close": {
    const listener = listen({ path });
    const [near, far] = [await connect({ path }), await listener.accept()];
    listener.close();
    await talk(near, far);
    near.close();
    break;
  }
  case "break": {
    const near = connect({ path });
    for await (const far of listen({ path })) {
      await talk(await near, far);
      far.close();
      break;
    }
    break;
  }
  case "abort": {
    const stop = new AbortController();
    const listener = listen({ path, signal: stop.signal });
    const [near, far] = [await connect({ path }), await listener.accept()];
    const echo = far.readable.pipeTo(far.writable).catch(() => {});
    const copy = near.readable.pipeTo(new WritableStream()).catch(() => {});
    stop.abort();
    await Promise.all([echo, copy, listener.finished]);
    break;
  }
  case "streams": {
    using listener = listen({ path, type: "byte" });
    const [near, far] = [await connect({ path }), await listener.accept()];
    const echo = far.readable.pipeTo(far.writable);
    const copy = near.readable.pipeTo(new WritableStream());
    await ReadableStream.from([new Uint8Array(1_000_000)]).pipeTo(near.writable);
    await Promise.all([echo.catch(() => {}), copy.catch(() => {})]);
    break;
  }
  default:
    Deno.exit(3);
}
console.log("closed");
