/** Benchmark files of the user's: what they may be, and what they cannot do. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { BenchmarkError } from "../../../benchmarks/benchmark_error.ts";
import { UserError } from "../../../errors.ts";
import { ownSlice } from "../../../evaluation/benchmarks/benchmark_slices.ts";
import { ContainedBenchmark } from "../../../evaluation/benchmarks/contained_benchmark.ts";
import { open } from "../../../mod.ts";
import { inTemporaryFolder } from "../../temporary_folder.ts";

const JOULES = `
import type { BenchmarkFile } from "@kvreplay/kvreplay/benchmarks";
export default {
  rows: () => [[7, 5], [4, 6]].map(([watts, seconds]) => ({ watts, seconds })),
  prompt: ({ watts, seconds }, { shots }) =>
    shots.map(({ worked }) => worked + " ").join("") +
    \`A machine uses \${watts} watts. How many joules does it use in \${seconds} seconds?\`,
  answers: ({ watts, seconds }) => String(Number(watts) * Number(seconds)),
  maxNewTokens: 32,
  metric: "said",
  score: (reply, [answer]) => Number(reply.includes(" " + answer + ".")),
  beside: (reply, _answers, { watts }) => ({ of_watts: Number(reply.includes(\`\${watts}\`)) }),
  stop: [".", "\\n"],
  id: ({ watts }) => "w" + watts,
  group: () => "all",
  floor: 10,
} satisfies BenchmarkFile;`;

/** Writes a file and opens it. */
function opened(
  text: string,
  body: (benchmark: ContainedBenchmark, folder: string) => Promise<void>,
  limits = {},
): Promise<void> {
  return inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/mine.ts`, text);
    await using benchmark = await ContainedBenchmark.open(`${folder}/mine.ts`, limits);
    await body(benchmark, folder);
  });
}

Deno.test("a benchmark file is asked, stopped, scored and counted as it says", () =>
  opened(JOULES, async (benchmark, folder) => {
    const slice = await ownSlice(benchmark, {});
    assertEquals([slice.name, slice.maxNewTokens, slice.floor], ["mine", 32, 10]);
    assertMatch(slice.origin.benchmark_sha256!, /^[0-9a-f]{64}$/);
    await using lab = await open("mini", { device: "cpu" });
    const { outcomes } = await lab.replay(slice, "uniform_quant_4bit");
    assertEquals(
      outcomes.map(({ id, dataset, group, cut }) => [id, dataset, group, cut]),
      [["w7", "mine", "all", false], ["w4", "mine", "all", false]],
    );
    // The full stop ends a reply, and is no part of it.
    assert(outcomes.every(({ reply }) => reply.length > 0 && !reply.includes(".")));
    assertEquals(outcomes.map(({ referenceScore }) => referenceScore), [0, 0]);
    assertEquals(outcomes[0]!.referenceScores, {
      of_watts: Number(outcomes[0]!.referenceReply.includes("7")),
    });
    const [task] = slice.examples;
    assertEquals([await task!.score("It is 35."), await task!.score("It is 36.")], [1, 0]);
    // Rows and worked examples from elsewhere.
    await Deno.writeTextFile(`${folder}/rows.jsonl`, '{"watts":1,"seconds":2}\n');
    await Deno.writeTextFile(`${folder}/shots.jsonl`, '{"worked":"A."}\n{"worked":"B."}\n');
    const shotsFrom = `${folder}/shots.jsonl`;
    const other = await ownSlice(benchmark, { data: `${folder}/rows.jsonl`, shots: 2, shotsFrom });
    assertEquals(other.examples.length, 1);
    assert(other.examples[0]!.prompt.startsWith("A. B. A machine uses 1 watts."));
    await assertRejects(
      () => ownSlice(benchmark, { shots: 3, shotsFrom }),
      BenchmarkError,
      "has 2 rows; --shots asks for 3",
    );
  }));

Deno.test("the example of docs/benchmarks.md is a benchmark", async () => {
  const document = await Deno.readTextFile(
    new URL("../../../docs/benchmarks.md", import.meta.url),
  );
  const [, text] = /```ts ignore\n([\s\S]*?)```/.exec(document)!;
  await opened(text!, async (benchmark) => {
    const { examples } = await ownSlice(benchmark, {});
    assertEquals(examples.length, 2);
    assertEquals(await examples[0]!.score("The answer is 35."), 1);
  });
});

Deno.test("without a score of its own a benchmark has one of the project's metrics", () =>
  opened(
    `export default {
      prompt: ({ q }) => q, answers: ({ a }) => a, maxNewTokens: 4, metric: "contains",
    };`,
    async (benchmark) => {
      const [task] = await benchmark.tasks([{ q: "Why?", a: ["So", "Thus"], n: 5n }], []);
      assertEquals([await task!.score("And thus."), await task!.score("No.")], [1, 0]);
      await assertRejects(() => ownSlice(benchmark, {}), UserError, "give its rows with --data");
    },
  ));

const GOOD = 'prompt: () => "p", answers: () => "a", maxNewTokens: 4, metric: "qa_f1"';

for (
  const [what, text, message] of [
    ["no export", "const a = 1;", "it has no default export"],
    ["no prompt", "export default { answers: () => 1 };", "it has no prompt(row)"],
    ["a field for a method", `export default { ${GOOD}, score: 1 };`, "score is no function"],
    ["no length", `export default { ${GOOD}, maxNewTokens: 0 };`, "maxNewTokens is 0; expected"],
    ["no such metric", `export default { ${GOOD}, metric: "f2" };`, 'metric is "f2"; expected one'],
    [
      "a pattern to stop",
      `export default { ${GOOD}, stop: [/(a+)+$/] };`,
      "expected up to 16 texts",
    ],
    ["an import", `import fs from "node:fs"; export default { fs };`, 'It imports "node:fs"'],
    ["an endless start", "for (;;);", "Not ready within 0.5 s"],
    [
      "memory",
      "const all = []; for (;;) all.push(new Array(1e6).fill(1.5));",
      "It took more than 64 MiB",
    ],
  ] as const
) {
  Deno.test(`a benchmark file is refused in one sentence: ${what}`, async () => {
    const limits = what === "memory"
      ? { memoryMib: 64 }
      : { startMs: what === "an endless start" ? 500 : 10_000 };
    await assertRejects(() => opened(text, async () => {}, limits), UserError, message);
  });
}

Deno.test("what a benchmark answers wrongly, or does not answer, is told by row and method", () =>
  opened(
    `let prompt = 0;
    export default { ${GOOD},
      prompt: ({ p }) => { if (p === "throw") throw new RangeError("too far"); return p; },
      score: (reply) => { while (reply === "loop"); return reply === "two" ? 2 : 10n; },
      beside: () => ({ "a b\\nTEST_METRICS:": 1 }),
      rows: () => [1],
    };`,
    async (benchmark) => {
      await assertRejects(() => benchmark.rows(), BenchmarkError, "rows() returned [1]");
      await assertRejects(
        () => benchmark.tasks([{ p: "a" }, { p: 7 }], []),
        BenchmarkError,
        "Benchmark mine: row 2: prompt() returned 7; expected a text",
      );
      await assertRejects(
        () => benchmark.tasks([{ p: "throw" }], []),
        BenchmarkError,
        "prompt() threw RangeError: too far",
      );
      const [task] = await benchmark.tasks([{ p: "Why?" }], []);
      await using lab = await open("mini", { device: "cpu" });
      const replay = (changes: object) =>
        lab.replay({ ...task!, ...changes }, "uniform_quant_4bit", { maxNewTokens: 1 });
      await assertRejects(() => replay({}), BenchmarkError, 'score of example "mine-0" is');
      await assertRejects(
        () => replay({ score: () => 1 }),
        BenchmarkError,
        "expected up to 64 letters, digits and underscores",
      );
      await assertRejects(
        async () => await task!.score("loop"),
        BenchmarkError,
        "Benchmark mine: timed out: No answer to score() within 0.5 s",
      );
    },
    { stepMs: 500 },
  ));

Deno.test("a benchmark sees the language alone", () =>
  opened(
    `const found = ["Deno", "process", "fetch", "require", "Worker", "setTimeout", "WebAssembly"]
      .filter((name) => name in globalThis);
    let made = "no";
    try { made = new Function("return 1")(); } catch {}
    export default { ${GOOD}, rows: () => [{ found, made }] };`,
    async (benchmark) => {
      assertEquals(await benchmark.rows(), [{ found: [], made: "no" }]);
    },
  ));
