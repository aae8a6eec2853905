import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Lab, NamedOutcome, PolicyResult, SliceResult } from "../../mod.ts";
import { open } from "../../mod.ts";
import { policies } from "../../policies/mod.ts";

const prompt = "A machine uses 7 watts. How many joules does it use in 5 seconds?";
const questions = [{ id: "a", prompt }, { id: "b", prompt: prompt.replace("7", "4") }];
const options = { maxNewTokens: 6, generate: true } as const;

/** Outcomes but for their times. */
const timeless = (outcomes: readonly NamedOutcome[]) =>
  outcomes.map(({ seconds: _s, prefillMs: _p, ...rest }) => rest);

const by = ({ results }: SliceResult, name: string): PolicyResult =>
  results.find(({ policy }) => policy === name)!;

Deno.test("seeds", async (t) => {
  await using lab: Lab = await open("mini", { device: "cpu" });
  const drawing = policies.turboquant_3bit();
  const both = [
    "reference",
    "kivi_overlap_4bit",
    { name: "rotated", policy: drawing },
    { name: "seeded", policy: { ...drawing, family_options: () => ({ seed: 7 }) } },
  ] as const;

  await t.step("a further seed gives what a run of it alone gives", async () => {
    const several = await lab.replay(questions, "turboquant_3bit", {
      ...options,
      seeds: 3,
      seed: 4,
    });
    assertEquals(several.repeats!.map(({ seed }) => seed), [5, 6]);
    for (const { seed, outcomes } of several.repeats!) {
      const alone = await lab.replay(questions, "turboquant_3bit", { ...options, seed });
      assertEquals(timeless(outcomes), timeless(alone.outcomes));
      assertNotEquals(timeless(outcomes), timeless(several.outcomes));
    }
  });

  await t.step("what draws nothing is run once, and told", async () => {
    const told: string[] = [];
    const progress: string[] = [];
    const ran = await lab.replay(questions, both, {
      ...options,
      seeds: 2,
      notice: (sentence) => told.push(sentence),
      progress: (_done, _total, what) => progress.push(what),
    });
    assertEquals(ran.results.map((r) => r.drawsAtRandom), [false, false, true, false]);
    assertEquals(ran.results.map((r) => r.repeats?.length), [undefined, undefined, 1, undefined]);
    assertEquals(told.length, 1);
    assertMatch(
      told[0]!,
      /^Nothing is drawn at random under kivi_overlap_4bit, seeded in examples/,
    );
    const again = progress.filter((what) => what.startsWith("seed 1"));
    assert(again.length > 0 && again.every((what) => !what.includes("kivi")));
    assertEquals(by(ran, "rotated").repeats![0]!.outcomes.length, 2);
  });

  await t.step("a stopped run goes on in the seed that it was stopped in", async () => {
    const folder = await Deno.makeTempDir();
    const journal = `${folder}/run.jsonl`;
    const whole = await lab.replay(questions, "turboquant_3bit", { ...options, seeds: 3, journal });
    const last = `${folder}/run-seed-2.jsonl`;
    const lines = (await Deno.readTextFile(last)).split("\n");
    // Header and the first example.
    await Deno.writeTextFile(last, `${lines.slice(0, 2).join("\n")}\n`);
    const worked: string[] = [];
    const on = await lab.replay(questions, "turboquant_3bit", {
      ...options,
      seeds: 3,
      journal,
      progress: (_done, _total, what) => worked.push(what),
    });
    assertEquals(worked.filter((what) => what !== "done" && !what.endsWith(" done")), [
      "seed 2 b reference",
      "seed 2 b turboquant_3bit",
    ]);
    assertEquals(
      on.repeats!.map(({ outcomes }) => timeless(outcomes)),
      whole.repeats!.map(({ outcomes }) => timeless(outcomes)),
    );
    await Deno.remove(folder, { recursive: true });
  });

  await t.step(
    "one that fails under a further seed is told, and keeps its first result",
    async () => {
      let plans = 0;
      const fails = {
        ...drawing,
        // After the first run.
        residual_length: () => plans++ < first ? 0 : -1,
      };
      let first = Infinity;
      await lab.replay(questions, fails, options);
      first = plans;
      plans = 0;
      const { results, failures } = await lab.replay(questions, [{ name: "late", policy: fails }], {
        ...options,
        seeds: 3,
      });
      assertEquals(results.map(({ repeats }) => repeats), [[]]);
      assertEquals(failures.map(({ policy }) => policy), ["late"]);
      assertMatch(failures[0]!.reason, /\(under seed 1\)$/);
    },
  );
});
