/**
 * The process that measures one tree of the project: for every line on stdin, the name of a policy, it
 * replays some examples of a slice and answers with steps a second, or with what went wrong. It knows
 * nothing of the tree but what the package exports, so that it can measure trees of other times.
 *
 * ```sh
 * deno run -A -c TREE/deno.json bench/compare/sitting.ts TREE CACHE SLICE EXAMPLES
 * ```
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { linesOf } from "../../sweep/text_lines.ts";

/** What is answered to the name of a policy. */
export type Answer = { readonly stepsPerSecond: number } | { readonly failure: string };

if (import.meta.main) {
  const [tree, cache, slice, limit] = Deno.args;
  const { open } = await import(pathToFileURL(`${tree}/mod.ts`).href);
  await using lab = await open("mini", { device: "cpu", cache });
  const measure = async (policy: string): Promise<Answer> => {
    try {
      const { numbers } = await lab.replay(slice, policy, { limit: Number(limit) });
      return { stepsPerSecond: numbers.decode_tokens_per_s };
    } catch (error) {
      return { failure: error instanceof Error ? error.message : String(error) };
    }
  };
  for await (const policy of linesOf(Deno.stdin.readable)) {
    console.log(JSON.stringify(await measure(policy)));
  }
}
