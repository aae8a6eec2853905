/**
 * The program: `kvreplay COMMAND [OPTIONS]`. Importing it runs nothing.
 *
 * @module
 */
import { main } from "./cli/main.ts";

if (import.meta.main) {
  // Engines may keep threads and devices open that would hold the process.
  Deno.exit(await main(Deno.args));
}
