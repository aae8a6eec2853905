import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parsePplOptions, PPL_OPTIONS, pplHelp } from "../../cli/ppl_options.ts";
import { UsageError } from "../../cli/usage_error.ts";

const parse = (text: string) => parsePplOptions(text.split(" ").filter((word) => word !== ""));

Deno.test("a text, its windows, and the options of every replay are read", () => {
  const { text, window, from, every, replay } = parse(
    "--data a.txt --window 1024 --from 512 --every 4 --limit 3 --policy reference --model m",
  )!;
  assertEquals([text, window, from, every], ["a.txt", 1024, 512, 4]);
  assertEquals([replay.limit, replay.policies, replay.model], [3, ["reference"], "m"]);
  assertEquals(parse("--data a.txt")!.window, undefined);
  assertEquals(parse("--help"), undefined);
});

Deno.test("a wrong command line says what would be right", () => {
  const wrong: [text: string, message: string][] = [
    ["", "The command ppl reads a text: give its file with --data"],
    ["--data a --from 512", "--from 512 is beyond a window of 512 tokens; give less"],
    ["--data a --from 0", '--from must be an integer of at least 1, got "0"'],
    ["--data a --every 0", '--every must be an integer of at least 1, got "0"'],
    ["--data a --max-new-tokens 3", "Unknown option --max-new-tokens; expected one of --data"],
    ["a.txt", 'Unexpected argument "a.txt"; expected only options: --data'],
  ];
  for (const [text, message] of wrong) assertThrows(() => parse(text), UsageError, message);
});

Deno.test("the help lists every option", () => {
  const help = pplHelp("A text");
  for (const name of Object.keys(PPL_OPTIONS)) assertStringIncludes(help, `\n  --${name}`);
});
