/** Benchmarks of a sweep beside the embedded slices: what is read of them, and what their address holds. */
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { UserError } from "../../errors.ts";
import { benchmarkName, type SweepBenchmark } from "../../sweep/benchmark_entry.ts";
import { cellsOf, checkedSweep, parseSweep } from "../../sweep/definition.ts";
import { OpenBenchmarks } from "../../sweep/open_benchmarks.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

const VERSION = "0.1.0";

const read = (benchmarks: string) =>
  parseSweep(`models: mini\nbenchmarks: ${benchmarks}\npolicies: kivi_overlap_2bit`, "a.yaml");

Deno.test("names, sets, files, rows, needles and texts become benchmarks, and are read again", () => {
  const sweep = read(`
  - needle
  - gsm8k
  - ruler:all
  - {benchmark: gsm8k, name: few, data: a.jsonl, shots: 2, shots_from: b.jsonl, plain: true}
  - {benchmark: reasoning, data: my/own rows.jsonl}
  - {file: mine/twice.ts, max_new_tokens: 8}
  - {fields: {prompt: q, answer: a}, data: rows.jsonl, max_prompt_tokens: 900}
  - {niah: all, haystack: essays, lengths: [2k, 1024], depths: [100, "0:50:25"], samples: 2}
  - {ppl: book.txt, window: 100}`);
  const named = new Map<string, SweepBenchmark>(
    sweep.benchmarks.map((benchmark) => [benchmarkName(benchmark), benchmark]),
  );
  const names = [...named.keys()].filter((name) => !name.startsWith("ruler:"));
  assertEquals(names, [
    ...["needle", "gsm8k", "few", "own_rows", "twice", "rows"],
    ...["niah:single", "niah:multikey", "niah:multivalue", "niah:multiquery", "niah:uuid", "book"],
  ]);
  assertEquals(named.get("niah:uuid"), {
    ...{ name: "niah:uuid", niah: "uuid", lengths: [1024, 2048], depths: [0, 25, 50, 100] },
    ...{ samples: 2, haystack: "essays" },
  });
  assertEquals(named.get("book"), {
    name: "book",
    ppl: "book.txt",
    window: 100,
    from: 50,
    every: 1,
  });
  assertEquals(cellsOf(sweep).length, sweep.benchmarks.length * 2);
  assertEquals(checkedSweep(JSON.parse(JSON.stringify(sweep)), "record"), sweep);
});

Deno.test("what is wrong with a benchmark is told", () => {
  const wrong: [benchmarks: string, message: string][] = [
    ["[]", "a.yaml, benchmarks: is an empty list"],
    ["[3]", "a.yaml, benchmarks: is 3; expected a name, or a mapping"],
    [
      "gsm9k",
      'benchmarks: is "gsm9k"; expected longbench, needle, reasoning, longbench, longbench-e',
    ],
    ["longbench:nope", 'benchmarks: is "longbench:nope"; expected '],
    ["{data: a.jsonl}", "expected a mapping with one of file, fields, niah, ppl, benchmark"],
    [
      "{benchmark: gsm8k, shot: 2}",
      'benchmarks, benchmark has the field "shot"; a benchmark by name has',
    ],
    ["{benchmark: gsm8k, shots: -1}", "shots: is -1; expected a whole number from 0"],
    ["{benchmark: gsm8k, plain: 1}", "plain: is 1; expected true or false"],
    ["{benchmark: gsm8k, name: needle}", 'name: is "needle"; expected up to 64 letters'],
    ["{benchmark: gsm8k, name: a b}", 'name: is "a b"; expected up to 64 letters'],
    ["{benchmark: 'ruler:all', name: a}", "benchmarks, and one name; leave name out"],
    ["{benchmark: needle}", "a mapping of needle without data"],
    ["{benchmark: needle, data: a, shots: 1}", "needle has the field shots"],
    ["{file: mine.py}", 'file: is "mine.py"; expected a file that ends in .ts'],
    ["{fields: {prompt: q}, data: a}", "expected both prompt and answer"],
    ["{fields: {prompt: q, answer: a}}", "and no data; expected the rows' file"],
    ["{fields: {prompt: q, answer: a}, data: a, metric: f2}", 'metric: is "f2"; expected qa_f1, '],
    ["{niah: single}", "needles of kind single are hidden in a text; expected haystack"],
    ["{niah: uuid, lengths: 1x}", 'lengths: is "1x"; expected tokens from 1'],
    ["{niah: uuid, depths: 101}", "depths: is 101; expected per cent from 0 to 100"],
    ["{niah: [uuid, double]}", 'niah: is "double"; expected all, single, '],
    ["{ppl: a.txt, window: 10, from: 10}", "from is 10; expected less than the window's 10"],
    ["[{ppl: a/x.txt}, {ppl: b/x.txt}]", 'two are called "x"; give one another name'],
  ];
  for (const [benchmarks, message] of wrong) {
    assertThrows(() => read(benchmarks), UserError, message, benchmarks);
  }
});

const solved = (answer: number) =>
  JSON.stringify({ question: `What is ${answer}?`, answer: `It is.\n#### ${answer}` });

const BENCHMARK = (scale: number) =>
  `export default class {
  maxNewTokens = 4;
  metric = "scaled";
  rows() { return [{ n: 1 }, { n: 2 }, { n: 3 }]; }
  prompt(row) { return "Say " + row.n; }
  answers(row) { return String(row.n); }
  score(reply, answers) { return reply.includes(answers[0]) ? ${scale} : 0; }
}`;

Deno.test("the address of a benchmark holds rows, examples, wording, limits and its file", () =>
  inTemporaryFolder(async (folder) => {
    const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
    const hashes = async (benchmarks: string) => {
      const sweep = read(benchmarks.replaceAll("DIR", folder));
      await using open = new OpenBenchmarks(sweep.benchmarks, VERSION);
      return await Promise.all(
        sweep.benchmarks.map(async (one) => (await open.get(benchmarkName(one))).hash()),
      );
    };
    await write("rows.jsonl", [7, 8].map(solved).join("\n"));
    await write("copy.jsonl", [7, 8].map(solved).join("\n"));
    await write("worked.jsonl", [1, 2].map(solved).join("\n"));
    await write("mine.ts", BENCHMARK(1));
    await write("text.txt", "One sentence. Another one. And a third, which is longer.".repeat(20));
    const all = `
  - {benchmark: gsm8k, name: a, data: DIR/rows.jsonl, shots: 0}
  - {benchmark: gsm8k, name: b, data: DIR/copy.jsonl, shots: 0}
  - {benchmark: gsm8k, name: c, data: DIR/rows.jsonl, shots: 2, shots_from: DIR/worked.jsonl}
  - {benchmark: gsm8k, name: d, data: DIR/rows.jsonl, shots: 0, max_prompt_tokens: 100}
  - {fields: {prompt: question, answer: answer}, name: e, data: DIR/rows.jsonl}
  - {fields: {prompt: question, answer: answer}, name: f, data: DIR/rows.jsonl, metric: rouge}
  - {file: DIR/mine.ts}
  - {niah: single, haystack: DIR/text.txt, lengths: 256, depths: 0:100:50}
  - {ppl: DIR/text.txt, window: 64}`;
    const before = await hashes(all);
    const [a, b, ...others] = before;
    // Where rows lie does not matter.
    assertEquals(a, b);
    assertEquals(new Set([a, ...others]).size, before.length - 1);
    assertEquals(await hashes(all), before);

    await write("rows.jsonl", [7, 9].map(solved).join("\n"));
    await write("worked.jsonl", [1, 3].map(solved).join("\n"));
    await write("mine.ts", BENCHMARK(0.5));
    await write("text.txt", "Other sentences. And more.".repeat(30));
    const after = await hashes(all);
    for (const [i, hash] of after.entries()) {
      if (i === 1) assertEquals(hash, before[i]);
      else assertNotEquals(hash, before[i], String(i));
    }

    // What can be run is told without a model.
    const sweep = read(all.replaceAll("DIR", folder));
    await using open = new OpenBenchmarks(sweep.benchmarks, VERSION);
    const counts = await Promise.all(sweep.benchmarks.map(async (one) => {
      const judged = await open.get(benchmarkName(one));
      return [
        (await judged.extent(undefined)).lengths.length,
        (await judged.extent(2)).lengths.length,
      ];
    }));
    assertEquals(counts.slice(0, 8), [...Array(6).fill([2, 2]), [3, 2], [3, 2]]);
  }));

Deno.test("a benchmark that cannot be read is told with its file", () =>
  inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/rows.jsonl`, solved(1));
    const wrong: [benchmark: string, name: string, message: string][] = [
      [
        "{benchmark: gsm8k, data: DIR/none.jsonl}",
        "gsm8k",
        "There is no file or folder DIR/none.jsonl",
      ],
      ["{benchmark: gsm8k, data: DIR/rows.jsonl, shots: 99}", "gsm8k", "up to 8 worked examples"],
      ["{file: DIR/none.ts}", "none", 'Benchmark file "DIR/none.ts" does not exist'],
      ["{niah: single, haystack: DIR/none}", "niah:single", "There is no file or folder DIR/none"],
      ["{ppl: DIR/none.txt}", "none", "Cannot read the text DIR/none.txt"],
      [
        "[{benchmark: 'longbench:qasper', data: DIR/rows.jsonl}, {benchmark: 'longbench:qmsum', data: DIR/rows.jsonl}]",
        "longbench:qasper",
        "holds the rows of one benchmark; give a folder for several",
      ],
    ];
    for (const [benchmark, name, message] of wrong) {
      const sweep = read(benchmark.replaceAll("DIR", folder));
      await using open = new OpenBenchmarks(sweep.benchmarks, VERSION);
      await assertRejects(
        () => open.get(name),
        UserError,
        message.replaceAll("DIR", folder),
      );
    }
  }));
