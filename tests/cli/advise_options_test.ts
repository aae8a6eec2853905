/** Arguments of `kvreplay advise`. */
import { assertEquals, assertThrows } from "@std/assert";
import { parseAdviseOptions } from "../../cli/advise_options.ts";
import { UsageError } from "../../cli/usage_error.ts";

Deno.test("advise: defaults, and what is refused", () => {
  const { engines, ...options } = parseAdviseOptions(["mini", "--device", "cpu"])!;
  assertEquals(engines.length, 7);
  assertEquals(options, {
    model: "mini",
    mostLoss: 1,
    context: 8192,
    slices: ["longbench", "needle", "reasoning"],
    limit: 8,
    device: "cpu",
    precision: "float32",
    quiet: false,
  });
  assertEquals(parseAdviseOptions(["mini", "--help"]), undefined);
  const refused: [string[], string][] = [
    [[], "takes one model, such as mini, and got nothing"],
    [["mini", "mini-outlier"], 'got "mini" "mini-outlier"'],
    [["mini", "--engine", "ollama"], "ollama"],
    [["mini", "--loss", "-1"], "--loss"],
    [["mini", "--context", "0"], "--context"],
    [["mini", "--data", "a.jsonl", "--slice", "needle"], "takes the place of --slice needle"],
    [["mini", "--policy", "kvtc_8x"], "--policy"],
  ];
  for (const [args, message] of refused) {
    assertThrows(() => parseAdviseOptions(args), UsageError, message);
  }
});
