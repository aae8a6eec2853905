import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { OPTIONS } from "../../cli/option_table.ts";
import { parseRunOptions, RUN_OPTIONS, runHelp } from "../../cli/run_options.ts";
import { UsageError } from "../../cli/usage_error.ts";

const parse = (text: string) => parseRunOptions(text.split(" ").filter((word) => word !== ""))!;

Deno.test("names stand for slices, benchmarks and all of their sets", () => {
  const names = (text: string) =>
    parse(text).names.map((each) => typeof each === "string" ? each : each.name);
  assertEquals(names("needle,gsm8k"), ["needle", "gsm8k"]);
  assertEquals(names("longbench longbench:lcc,gsm8k"), ["longbench", "longbench:lcc", "gsm8k"]);
  assertEquals(names("longbench-e:all").length, 13);
  assertEquals(parseRunOptions(["--help"]), undefined);
  assertEquals(parseRunOptions(["gsm8k", "-h"]), undefined);
});

Deno.test("every option of a benchmark is read, and those of every replay", () => {
  const options = parse(
    "gsm8k --shots 8 --shots-from t.jsonl --plain --max-prompt-tokens 99 " +
      "--data d.parquet --max-new-tokens 7 --model m --limit 3 --policy reference",
  );
  assertEquals<unknown>(options.choice, {
    ...{ data: "d.parquet", shots: 8, shotsFrom: "t.jsonl", plain: true },
    ...{ maxNewTokens: 7 },
  });
  const { model, limit, policies } = options.replay;
  assertEquals([options.maxPromptTokens, model, limit, policies], [99, "m", 3, ["reference"]]);
  for (const set of ["longbench:qasper", "gsm8k,longbench-e:qasper"]) {
    assertEquals(parse(`${set} --prompts p.json`).choice.prompts, "p.json");
  }
  assertEquals([parse("--benchmark b.ts").file, parse("--benchmark b.ts").names], ["b.ts", []]);
  assertEquals<unknown>(
    parse("--fields prompt=q,answer=a,id=n --data d.jsonl --metric rouge").own,
    { fields: { prompt: "q", answer: "a", id: "n" }, metric: "rouge" },
  );
});

Deno.test("a wrong command line says what would be right", () => {
  const wrong: [text: string, message: string][] = [
    ["", "got none; there are longbench, needle, reasoning, longbench-e, gsm8k"],
    ["nope", 'Unknown benchmark "nope"; there are longbench, longbench-e, gsm8k'],
    ["longbench:nope", "give longbench:SET, with all or one of narrativeqa, "],
    ["gsm8k --metric rouge", "--metric rouge goes with --fields; a benchmark has its own metric"],
    ["--fields prompt=q,answer=a", "without the name of a benchmark; got no --data"],
    ["gsm8k --fields prompt=q,answer=a --data x", "without the name of a benchmark; got gsm8k"],
    ["--fields prompt=q --data x", '--fields is "prompt=q"; expected both'],
    ["--fields question=q --data x", '--fields has "question=q"; expected prompt=F,answer=F'],
    ["--fields prompt=q,answer=a --data x --metric bleu", 'Unknown metric "bleu"; expected qa_f1'],
    ["gsm8k --shots 9", "--shots 9 is more than the 8 worked examples that gsm8k has at most"],
    ["longbench:lcc --shots 1", "--shots 1 is more than the 0 worked examples that longbench:lcc"],
    ["gsm8k --shots x", '--shots must be an integer of at least 0, got "x"'],
    [
      "gsm8k --benchmark b.ts",
      "--benchmark b.ts takes the place of a benchmark; leave it out, or gsm8k",
    ],
    ["--benchmark b.ts --fields prompt=q,answer=a --data x", "leave it out, or --fields"],
    ["gsm8k --prompts p.json", "--prompts p.json words sets of longbench; none is named"],
    [
      "gsm8k --shots 0 --shots-from x",
      "--shots-from x is where --shots are taken from; no benchmark",
    ],
    ["ruler:vt --shots-from x", "--shots-from x is where --shots are taken from"],
    ["--benchmark b.ts --shots-from x", "--shots-from x is where --shots are taken from"],
    ["gsm8k --limit -1", "(a negative number is written --NAME=-1)"],
    ["gsm8k --limit=-1", "--limit must be an integer of at least 1"],
    ["gsm8k --nope", "Unknown option --nope; expected one of "],
  ];
  for (const [text, message] of wrong) assertThrows(() => parse(text), UsageError, message);
});

Deno.test("the help lists the options of every replay, its own, and the benchmarks", () => {
  const help = runHelp("Benchmarks");
  for (const name of Object.keys({ ...OPTIONS, ...RUN_OPTIONS })) {
    assertStringIncludes(help, `\n  --${name}`);
  }
  assertStringIncludes(help, "\n  longbench:all, longbench:SET ");
  assertStringIncludes(help, "\n  gsm8k ");
});
