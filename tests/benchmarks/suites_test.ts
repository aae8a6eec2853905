/** What the benchmarks ask, and how they score. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Benchmark, type Given, type Row, tasksOf } from "../../benchmarks/benchmark.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { longbenchSets } from "../../benchmarks/suites/longbench.ts";
import { ownFields } from "../../benchmarks/suites/fields.ts";
import { benchmarksNamed } from "../../benchmarks/suites.ts";

const NOTHING: Given = { shots: [] };
const named = (name: string): Benchmark => benchmarksNamed(name)[0]!.benchmark;

async function taskOf(benchmark: Benchmark, row: Row, given: Given = NOTHING) {
  const [task] = await tasksOf(benchmark, "set", [row], given, "a.jsonl");
  return task!;
}

const LONGBENCH_ROW = {
  ...{ input: "Who?", context: "Ada {input} did.", answers: ["Ada", "Ada Lovelace"], length: 4500 },
  ...{ dataset: "qasper", language: "en", all_classes: null, _id: "a1" },
};

const SOLUTION = { question: "Half of 700?", answer: "700/2 = 350.\n#### 350" };

Deno.test("names stand for one set, for all sets, or for nothing", () => {
  assertEquals(benchmarksNamed("longbench:all").length, 21);
  assertEquals(benchmarksNamed("longbench-e:all").length, 13);
  assertEquals(benchmarksNamed("ruler:all").length, 13);
  assertEquals(benchmarksNamed("longbench-e:lcc")[0]!.name, "longbench-e:lcc");
  assertEquals(benchmarksNamed("gsm8k")[0]!.name, "gsm8k");
  for (
    const name of ["longbench", "gsm8k:x", "longbench:x", "longbench-e:musique", "", "x", "a:b:c"]
  ) {
    assertThrows(() => benchmarksNamed(name), BenchmarkError);
  }
});

Deno.test("LongBench asks with its authors' wording where it is there, else with the project's", async () => {
  const benchmark = named("longbench:qasper");
  const own = await taskOf(benchmark, LONGBENCH_ROW);
  assert(own.prompt.includes("Ada {input} did.") && own.prompt.includes("Who?"));
  const wording = "T: {context}\nQ: {input}\nA:";
  const theirs = await taskOf(benchmark, LONGBENCH_ROW, { shots: [], wording });
  assertEquals(theirs.prompt, "T: Ada {input} did.\nQ: Who?\nA:");
  assertEquals([theirs.id, theirs.answers, theirs.truncate], [
    "a1",
    LONGBENCH_ROW.answers,
    "middle",
  ]);
  assertEquals(theirs.group, undefined);
  // The best of the answers counts.
  assertEquals(theirs.score("Lovelace Ada"), 1);
});

Deno.test("LongBench's rules: chat turns, first lines, ends, labels and groups of lengths", async () => {
  const withoutChat = longbenchSets.filter((set) => named(`longbench:${set}`).chat === false);
  assertEquals(withoutChat, ["trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"]);
  const lengths = longbenchSets.map((set) => named(`longbench:${set}`).maxNewTokens);
  assertEquals(lengths, [
    ...[128, 128, 64, 64, 32, 32, 32, 128, 512, 512, 512, 512, 64, 32, 128, 64, 32, 32, 32, 64, 64],
  ]);
  const trivia = await taskOf(named("longbench:triviaqa"), LONGBENCH_ROW);
  assertEquals(trivia.score("\n\nAda\nPassage: more"), 1);
  const hotpot = await taskOf(named("longbench:hotpotqa"), LONGBENCH_ROW);
  assertEquals(hotpot.score("Ada\nB\nC") < 1, true);
  const samsum = named("longbench:samsum").stop!;
  assertEquals(["\n", "\n\nAda", "Ada\n", "\nAda \n"].map((text) => samsum.test(text)), [
    ...[false, false, true, true],
  ]);
  const labels = { ...LONGBENCH_ROW, answers: ["City"], all_classes: ["City", "Person"] };
  assertEquals((await taskOf(named("longbench:trec"), labels)).score("Person, City\nx"), 0.5);
  await assertRejects(
    () => taskOf(named("longbench:lsht"), LONGBENCH_ROW),
    BenchmarkError,
    'a.jsonl, row 1: LongBench\'s fields: the field "all_classes" must list the labels',
  );
  for (const [length, group] of [[3999, "0-4k"], [4000, "4-8k"], [8000, "8k+"]] as const) {
    const row = { ...LONGBENCH_ROW, length };
    assertEquals((await taskOf(named("longbench-e:qasper"), row)).group, group);
  }
});

Deno.test("Chinese sets load the words that they need", async () => {
  const row = { ...LONGBENCH_ROW, input: "谁？", context: "在北京。", answers: ["北京"] };
  assertEquals((await taskOf(named("longbench:multifieldqa_zh"), row)).score("在北京。"), 2 / 3);
  const paragraph = { ...row, answers: ["段落2"] };
  assertEquals(
    (await taskOf(named("longbench:passage_retrieval_zh"), paragraph)).score("段落2"),
    1,
  );
});

Deno.test("GSM8K asks as lm-evaluation-harness does, and scores three ways", async () => {
  const given = { shots: [{ question: "1 + 1?", answer: "It is 2.\n#### 2" }] };
  const task = await taskOf(named("gsm8k"), SOLUTION, given);
  assertEquals(
    task.prompt,
    "Question: 1 + 1?\nAnswer: It is 2.\n#### 2\n\nQuestion: Half of 700?\nAnswer:",
  );
  const three = (reply: string) => [task.score(reply), ...Object.values(task.scores(reply))];
  assertEquals(Object.keys(task.scores("")), ["strict", "conclusion"]);
  assertEquals(three("So.\n#### 350"), [1, 1, 1]);
  assertEquals(three("The answer is 350."), [1, 0, 1]);
  assertEquals(three("The answer is 350. That was 2."), [0, 0, 1]);
  assertEquals(task.stop!.exec("350\nQuestion: more")?.index, 4);
  await assertRejects(
    () => taskOf(named("gsm8k"), { question: "1?", answer: "1" }),
    BenchmarkError,
    'a.jsonl, row 1: The field "answer" is "1"; expected a last line such as "#### 42"',
  );
});

Deno.test("RULER's rows bring their template, and all or one of their answers count", async () => {
  const row = { input: "Find them.", answer_prefix: " They are", outputs: ["17", "42"] };
  const all = await taskOf(named("ruler:niah_multivalue"), row);
  assertEquals([all.prompt, all.chat], ["Find them. They are", false]);
  assertEquals(all.score(" 42 alone"), 0.5);
  assertEquals((await taskOf(named("ruler:qa_1"), row)).score(" 42 alone"), 1);
  assertEquals((await taskOf(named("ruler:vt"), { input: "x", outputs: ["A"] })).prompt, "x");
});

Deno.test("multiple choice asks for a letter", async () => {
  const row = { question: " Capital? ", choices: ["Rome", "Paris"], answer: 1, subject: "places" };
  const task = await taskOf(named("mmlu"), row, { shots: [{ ...row, answer: 0 }] });
  assertEquals(
    task.prompt,
    "Capital?\nA. Rome\nB. Paris\nAnswer: A\n\nCapital?\nA. Rome\nB. Paris\nAnswer:",
  );
  assertEquals([task.group, task.answers], ["places", ["B"]]);
  assertEquals([task.score("(B) Paris"), task.scores("(B) Paris").exact], [1, 0]);
  await assertRejects(
    () => taskOf(named("mmlu"), { ...row, answer: 2 }),
    BenchmarkError,
    "is 2; ex",
  );
  // The number, or its letter, as the file has it.
  assertEquals((await taskOf(named("mmlu"), { ...row, answer: "B" })).answers, ["B"]);
  for (const answer of ["C", "", "AB", "1", 0.5, -1, null]) {
    await assertRejects(
      () => taskOf(named("mmlu"), { ...row, answer }),
      BenchmarkError,
      '"answer"',
    );
  }
});

Deno.test("an answer that is blank is refused, where any reply would hold it", async () => {
  const own = ownFields({ prompt: "q", answer: "a" }, "contains");
  for (const a of ["", " ", ["x", ""]]) {
    await assertRejects(() => taskOf(own, { q: "?", a }), BenchmarkError, "that are not blank");
  }
  const row = { input: "x", outputs: [""] };
  await assertRejects(() => taskOf(named("ruler:vt"), row), BenchmarkError, "that are not blank");
});

Deno.test("rows of one's own have the fields that are named", async () => {
  const benchmark = ownFields({ prompt: "q", answer: "a", id: "n" }, "contains");
  const task = await taskOf(benchmark, { q: "Where?", a: ["Rome", "Paris"], n: 7 });
  assertEquals([task.id, task.prompt, task.score("It's in PARIS")], ["7", "Where?", 1]);
  await assertRejects(
    () => taskOf(benchmark, { q: "Where?", n: 1 }),
    BenchmarkError,
    'a.jsonl, row 1: There is no field "a", only "q", "n"',
  );
  await assertRejects(
    () => taskOf(benchmark, { q: 3, a: "x", n: 1 }),
    BenchmarkError,
    'a.jsonl, row 1: The field "q" is 3; expected a text',
  );
});
