/**
 * Whether Python files can run inside bubblewrap here. Without it those tests are reported as ignored,
 * or fail when KVREPLAY_REQUIRE_BWRAP is 1.
 */
import { findInterpreter, type Interpreter } from "../../../policies/python/bubblewrap.ts";

/** The interpreter of the tests. */
export const PYTHON = "/usr/bin/python3";

async function find(): Promise<Interpreter | undefined> {
  try {
    return await findInterpreter(PYTHON);
  } catch (error) {
    const { message } = error as Error;
    if (Deno.env.get("KVREPLAY_REQUIRE_BWRAP") === "1") throw error;
    console.warn(`Tests of --python skipped: ${message}`);
    return undefined;
  }
}

/** What was found, or undefined. */
export const interpreter = await find();
