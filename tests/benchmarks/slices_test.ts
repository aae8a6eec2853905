import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { datasetOf } from "../../benchmarks/datasets.ts";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import {
  isSliceName,
  loadDataFile,
  loadSlice,
  parseExamples,
  sliceNames,
  slices,
} from "../../benchmarks/slices.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const row = {
  input: "What is the pass key?",
  context: "The pass key is 42.",
  answers: ["42"],
  length: 9,
  dataset: "passkey",
  language: "en",
  all_classes: null,
  _id: "a-0",
};

const line = (fields: Record<string, unknown> = {}) => JSON.stringify({ ...row, ...fields });

for (const name of sliceNames) {
  Deno.test(`slice ${name} is the frozen one and every example can be scored`, async () => {
    const examples = await loadSlice(name);
    assertEquals(examples.length, 32);
    assertEquals(examples.map((e) => e.id), [...new Set(examples.map((e) => e.id))]);
    for (const example of examples) {
      assertEquals(example.id.startsWith(`${name}-`), true);
      assertEquals(datasetOf(example).flaw?.(example), undefined);
    }
  });
}

Deno.test("slices are known by name, and nothing else is", () => {
  assertEquals(sliceNames, ["longbench", "needle", "reasoning"]);
  assertEquals(["needle", "toString", ""].map(isSliceName), [true, false, false]);
  assertEquals(sliceNames.map((name) => slices[name].maxNewTokens), [24, 32, 64]);
});

Deno.test("a file of the user's is read with its fields", () => {
  const [example, second] = parseExamples(
    bytes(`\ufeff${line({ depth: 0.5 })}\r\n\n${line({ _id: "a-1", all_classes: ["A"] })}`),
    "mine.jsonl",
  );
  assertEquals(example, {
    id: "a-0",
    dataset: "passkey",
    input: row.input,
    context: row.context,
    answers: ["42"],
    length: 9,
    language: "en",
    allClasses: null,
    depth: 0.5,
  });
  assertEquals(second?.allClasses, ["A"]);
});

Deno.test("a depth of null is none", () => {
  const [example] = parseExamples(bytes(line({ depth: null })), "a.jsonl");
  assertEquals(example !== undefined && "depth" in example, false);
});

Deno.test("a line that cannot be used is refused with file and line number", () => {
  const wrong: [text: string, message: string][] = [
    ["{", "mine.jsonl:1: not JSON ("],
    [`${line()}\n\n{"input":`, "mine.jsonl:3: not JSON ("],
    ["[]", "mine.jsonl:1: expected a JSON object, got []"],
    ["null", "mine.jsonl:1: expected a JSON object, got null"],
    ...Object.keys(row).map((field): [string, string] => [
      line({ [field]: undefined }),
      `mine.jsonl:1: the field "${field}" is missing; expected input, context, answers, `,
    ]),
    [line({ answers: "42" }), '"answers" must be an array of strings, got "42"'],
    [line({ answers: [42] }), '"answers" must be an array of strings, got [42]'],
    [line({ answers: [] }), '"answers" must hold at least one answer'],
    [
      line({ answers: Array(1001).fill("4") }),
      '"answers" holds 1001 of them; expected up to 1000, unless --data-answers says otherwise',
    ],
    [line().replace("{", '{"_id": "b",'), 'mine.jsonl:1: the key "_id" occurs twice in one object'],
    [line({ more: 1 }).replace(":1}", ':{"a":1,"a":2}}'), 'the key "a" occurs twice'],
    [line({ input: 3 }), '"input" must be a string, got 3'],
    [line({ length: "9" }), '"length" must be a number, got "9"'],
    [line({ all_classes: "A" }), '"all_classes" must be an array of strings or null, got "A"'],
    [line({ _id: "" }), '"_id" must not be empty'],
    [line({ depth: 2 }), '"depth" must be a number from 0 to 1, got 2'],
    [line({ dataset: "squad" }), 'mine.jsonl:1: unknown dataset "squad"; there are'],
    [`${line()}\n${line()}`, 'mine.jsonl:2: the "_id" "a-0" is already that of line 1'],
    ["\n \n", "mine.jsonl: no examples; expected one JSON object a line"],
    ["", "mine.jsonl: no examples"],
  ];
  for (const [text, message] of wrong) {
    assertThrows(() => parseExamples(bytes(text), "mine.jsonl"), BenchmarkError, message);
  }
});

Deno.test("text that is not UTF-8 is refused with its line", () => {
  assertThrows(
    () => parseExamples(new Uint8Array([...bytes(`${line()}\n`), 0x22, 0xff, 0x22]), "mine.jsonl"),
    BenchmarkError,
    "mine.jsonl:2: not UTF-8 text",
  );
});

Deno.test("a file that cannot be read is refused by name", async () => {
  const missing = `${import.meta.dirname}/missing.jsonl`;
  await assertRejects(() => loadDataFile(missing), BenchmarkError, "missing.jsonl: no such file");
  await assertRejects(() => loadDataFile(import.meta.dirname!), BenchmarkError, "Cannot read ");
});

Deno.test("a file is read by lines, none of them longer than 16 MiB, and no further", async () => {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    const context = "x".repeat(600_000);
    const text = [0, 1, 2].map((n) => line({ _id: `a-${n}`, context })).join("\n");
    for (const end of ["", "\n", "\n\n"]) {
      await Deno.writeTextFile(path, text + end);
      assertEquals(await loadDataFile(path), parseExamples(bytes(text), path));
    }
    await Deno.writeTextFile(path, `${line()}\n`);
    // A hole: 1 TiB that takes no room on the disk.
    await Deno.truncate(path, 2 ** 40);
    await assertRejects(
      () => loadDataFile(path),
      BenchmarkError,
      ":2: the line has more than 16777216 bytes; an example has fewer, unless --data-line-bytes says",
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("how long lines may be, and how many answers there are, can be said", async () => {
  const path = await Deno.makeTempFile({ suffix: ".jsonl" });
  try {
    const text = line({ answers: ["4", "5", "6"] });
    await Deno.writeTextFile(path, text);
    const length = bytes(text).length;
    assertEquals((await loadDataFile(path, { lineBytes: length, answers: 3 })).length, 1);
    await assertRejects(
      () => loadDataFile(path, { lineBytes: length - 1 }),
      BenchmarkError,
      `:1: the line has more than ${length - 1} bytes`,
    );
    await assertRejects(
      () => loadDataFile(path, { answers: 2 }),
      BenchmarkError,
      '"answers" holds 3 of them; expected up to 2',
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("whatever a file holds, it gives examples or one sentence", () => {
  const anything = fc.uint8Array({ maxLength: 200 });
  const nearly = fc.tuple(fc.nat(line().length), fc.string({ maxLength: 3 })).map(([at, junk]) =>
    bytes(line().slice(0, at) + junk + line().slice(at + junk.length))
  );
  fc.assert(fc.property(fc.oneof(anything, nearly), (content) => {
    try {
      assertEquals(parseExamples(content, "mine.jsonl").length, 1);
    } catch (error) {
      if (!(error instanceof BenchmarkError)) throw error;
      assertEquals(error.message.startsWith("mine.jsonl"), true);
      assertEquals(error.message.includes("\n"), false);
    }
  }));
});
