/** Tells which libraries are opened, and when. */

const opened: unknown[] = [];
const { dlopen } = Deno;
Object.defineProperty(Deno, "dlopen", {
  value: (...args: Parameters<typeof dlopen>) => {
    opened.push(args[0]);
    return dlopen(...args);
  },
});

const { call, serve } = await import("../../../mod.ts");
console.log(opened.join());

const path = `libraries-${crypto.randomUUID()}`;
for (let i = 0; i < 2; i++) {
  await using _server = serve({ path }, (request) => request);
  await call(path, "hello", { owner: "current-user" });
}
console.log(opened.length);

// What is open already is of no use to a program that has given the permission up.
Deno.permissions.revokeSync({ name: "ffi" });
try {
  serve({ path }, (request) => request);
} catch (error) {
  console.log(error instanceof Error && error.name);
}
await call(path, "hello").catch((error) => console.log(error.name));
