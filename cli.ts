/**
 * The program: `kvreplay COMMAND [OPTIONS]`. Importing it runs nothing.
 *
 * @module
 */
import { runSandboxChild, SANDBOX_CHILD_ARGUMENT } from "./policies/sandbox/child.ts";

if (import.meta.main) {
  // A compiled binary starts itself as the sandbox's process: nothing may happen before this.
  if (Deno.args[0] === SANDBOX_CHILD_ARGUMENT) await runSandboxChild();
  const { main } = await import("./cli/main.ts");
  // Engines may keep threads and devices open that would hold the process.
  Deno.exit(await main(Deno.args));
}
