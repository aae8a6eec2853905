/**
 * Reads one file after the other in a thread of its own, which can be ended when it does not come back.
 *
 * @module
 */
import { UserError } from "../../errors.ts";
import { type ReaderName, readers } from "./readers.ts";

/** A file, and who reads it. */
export interface Task {
  readonly reader: ReaderName;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What came of it: a value, the sentence of a `UserError`, or what must not be. */
export type Outcome =
  | { readonly value: true }
  | { readonly sentence: string }
  | { readonly wrong: string };

// deno-lint-ignore no-explicit-any -- there are no types of workers here
const thread = globalThis as any;

thread.onmessage = async ({ data }: MessageEvent<Task>) => {
  thread.postMessage(await outcome(data));
};

thread.postMessage("ready");

async function outcome({ reader, bytes }: Task): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "kvreplay-fuzz-" });
  try {
    await readers[reader].read(bytes, folder);
    return { value: true };
  } catch (error) {
    if (error instanceof UserError) return { sentence: error.message };
    return { wrong: error instanceof Error ? error.stack ?? error.message : String(error) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
