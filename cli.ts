/**
 * The program: `kvreplay COMMAND [OPTIONS]`. Importing it runs nothing.
 *
 * @module
 */
import { keepPermissionsOf } from "./cli/permissions.ts";
import { standWhereTheUserDoes } from "./cli/standing_place.ts";
import { codecGuest } from "./codecs/codec_guest.ts";
import { benchmarkGuest } from "./evaluation/benchmarks/benchmark_guest.ts";
import { runSandboxChild, SANDBOX_CHILD_ARGUMENT } from "./sandbox/child.ts";
import { pyodideGuest } from "./policies/python/pyodide_guest.ts";
import { policyGuest } from "./policies/guest/policy_guest.ts";

if (import.meta.main) {
  // A compiled binary starts itself as the sandbox's process: nothing may happen before this.
  if (Deno.args[0] === SANDBOX_CHILD_ARGUMENT) {
    const guests = [benchmarkGuest, codecGuest, pyodideGuest];
    await runSandboxChild(guests.find(({ name }) => name === Deno.args[1]) ?? policyGuest);
  }
  // Before any other code of the program is loaded.
  if (Deno.build.standalone) keepPermissionsOf(Deno.args[0]);
  standWhereTheUserDoes();
  const { main } = await import("./cli/main.ts");
  // Engines may keep threads and devices open that would hold the process.
  Deno.exit(await main(Deno.args));
}
