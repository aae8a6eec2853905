/** A run that is stopped after any example goes on from there, to the same results. */
import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../errors.ts";
import type { SliceResult } from "../../evaluation/results.ts";
import { RunJournal } from "../../evaluation/run_journal.ts";
import { TimeLeft } from "../../evaluation/time_left.ts";
import { open, type ReplayOptions } from "../../mod.ts";
import { inTemporaryFolder } from "../temporary_folder.ts";

/** Results without times. */
function timeless(result: SliceResult): Record<string, unknown> {
  const text = JSON.stringify(result, (key, value) => TIMES.has(key) ? 0 : value);
  return JSON.parse(text);
}

const TIMES = new Set([
  ...["seconds", "prefillMs", "decode_tokens_per_s", "prefill_latency_ms", "calibration_cost_s"],
]);

const PROMPTS = ["7 watts for 5 seconds", "4 watts for 6 seconds", "9 watts for 2 seconds"];
const slice = {
  name: "joules",
  examples: PROMPTS.map((prompt) => ({ prompt, group: "a", score: () => 0.5 })),
  maxNewTokens: 3,
};
/** One that learns offline, one that a family's rules are not kept by, and full precision. */
const POLICIES = ["reference", "uniform_quant_4bit", "kvquant_nuq4_1pct"] as const;

Deno.test("a run that is stopped after any example goes on to the same results", () =>
  inTemporaryFolder(async (folder) => {
    await using lab = await open("mini", { device: "cpu", calibrationTokens: 300 });
    const options: ReplayOptions = { audit: true, generate: true };
    const whole = timeless(await lab.replay(slice, POLICIES, options));
    const full = `${folder}/full.jsonl`;
    await lab.replay(slice, POLICIES, { ...options, journal: full });
    const lines = (await Deno.readTextFile(full)).trimEnd().split("\n");
    assertEquals(lines.length, 1 + PROMPTS.length);
    for (let done = 0; done <= PROMPTS.length; done++) {
      const journal = `${folder}/${done}.jsonl`;
      const kept = lines.slice(0, 1 + done).map((line) => `${line}\n`).join("");
      // Killed while it wrote the next line.
      await Deno.writeTextFile(journal, kept + (lines[1 + done]?.slice(0, -7) ?? ""));
      const replayed: string[] = [];
      const notices: string[] = [];
      const again = await lab.replay(slice, POLICIES, {
        ...options,
        journal,
        progress: (_done, _total, what) => replayed.push(what),
        notice: (text) => notices.push(text),
      });
      assertEquals(timeless(again), whole, `stopped after ${done}`);
      const references = replayed.filter((what) => what.endsWith(" reference"));
      assertEquals(new Set(references).size, PROMPTS.length - done);
      assertEquals(notices.some((text) => text.includes(`behind ${done} of 3 examples`)), done > 0);
      assertEquals((await Deno.readTextFile(journal)).split("\n").length, lines.length + 1);
    }
    // Of other options nothing is taken over.
    const other: string[] = [];
    await lab.replay(slice, "reference", { journal: full, notice: (text) => other.push(text) });
    assertEquals(other, []);
  }));

Deno.test("a policy that failed, and an example that was left out, stay so", () =>
  inTemporaryFolder(async (folder) => {
    await using lab = await open("mini", { device: "cpu" });
    const journal = `${folder}/run.jsonl`;
    let calls = 0;
    const failing = {
      choose_bits: () => 4,
      choose_axis: () => "token" as const,
      residual_length: (_layer: number, { prompt_tokens }: { prompt_tokens: number }) => {
        calls++;
        return prompt_tokens > 20 ? -1 : 0;
      },
      calibration_mode: () => "none" as const,
    };
    const examples = [...slice.examples, { prompt: "word ".repeat(40), score: () => 0 }];
    const long = { ...slice, examples };
    const policies = ["uniform_quant_2bit", failing] as const;
    const first = await lab.replay(long, policies as never, { journal }) as unknown as SliceResult;
    assertEquals(first.failures.length, 1);
    const before = calls;
    const again = await lab.replay(long, policies as never, { journal }) as unknown as SliceResult;
    assertEquals(timeless(again), timeless(first));
    assertEquals(calls, before);

    const [head] = (await Deno.readTextFile(journal)).split("\n");
    const { key } = JSON.parse(head!.slice(head!.indexOf(" ")));
    await Deno.writeTextFile(journal, `${head}\n`);
    const { id } = first.results[0]!.outcomes[0]!;
    {
      using kept = (await RunJournal.open(journal, key))!;
      kept.add({ id, refused: "its keys are not finite", policies: [], failures: [] });
    }
    const left = await lab.replay(long, policies as never, { journal }) as unknown as SliceResult;
    assertEquals(left.refused, [{ id, reason: "its keys are not finite" }]);
    const ids = (result: SliceResult) => result.results[0]!.outcomes.map((outcome) => outcome.id);
    assertEquals(ids(left), ids(first).slice(1));
  }));

Deno.test("a journal of any bytes is an empty one, and one that cannot be written is told", () =>
  inTemporaryFolder(async (folder) => {
    const path = `${folder}/a/run.jsonl`;
    const example = { id: "a", refused: "too long", policies: [], failures: [] };
    {
      using journal = (await RunJournal.open(path, "k"))!;
      journal.add(example);
      assertEquals(await RunJournal.open(path, "k"), undefined);
    }
    const whole = await Deno.readFile(path);
    for (const [at, finished] of [[0, 0], [30, 0], [whole.length - 5, 0], [-1, 1]] as const) {
      const bytes = whole.slice();
      if (at >= 0) bytes[at]! ^= 1;
      await Deno.writeFile(path, bytes);
      using journal = (await RunJournal.open(path, "k"))!;
      assertEquals(journal.finished.length, finished);
    }
    {
      using other = (await RunJournal.open(path, "another"))!;
      assertEquals(other.finished, []);
    }
    await assertRejects(
      () => RunJournal.open(folder, "k"),
      UserError,
      "Cannot keep what is finished",
    );
  }));

Deno.test("the time left is told by tokens, and from the second example on without the first", () => {
  let now = 0;
  const left = new TimeLeft([100, 100, 300, 100], () => now);
  assertEquals(left.seconds(0), 0);
  for (const [i, [seconds, expected]] of [[50, 250], [10, 40], [30, 10]].entries()) {
    left.begin();
    now += 1000 * seconds!;
    left.end(i);
    assertEquals(left.seconds(i + 1), expected);
  }
});

Deno.test("what is learned at an example does not count for those to come", async () => {
  let now = 0;
  const left = new TimeLeft([100, 300], () => now);
  left.begin();
  now += 2000;
  await left.aside(() => Promise.resolve(now += 60_000));
  left.end(0);
  assertEquals(left.seconds(1), 6);
});
