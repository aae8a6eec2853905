/** Prompts of one's own: turns, ends, other scores, and which replies were cut. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BenchmarkError } from "../../benchmarks/benchmark_error.ts";
import { open } from "../../evaluation/lab.ts";
import type { Prompt } from "../../evaluation/question.ts";

const ASKED = "A machine uses 7 watts. How many joules does it use in 5 seconds?";

Deno.test("what ends a reply ends its reference, and is no part of it", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const replayed = async (prompt: Partial<Prompt>, maxNewTokens = 24) =>
    (await lab.replay({ prompt: ASKED, ...prompt }, "uniform_quant_4bit", { maxNewTokens }))
      .outcomes[0]!;
  const whole = await replayed({});
  const stop = /=/;
  assert(stop.test(whole.referenceReply), whole.referenceReply);
  const stopped = await replayed({ stop, scores: (reply) => ({ empty: Number(reply === "") }) });
  assert(stopped.steps.length < whole.steps.length);
  assertEquals(
    stopped.referenceReply,
    whole.referenceReply.slice(0, whole.referenceReply.search(stop)),
  );
  assertEquals([stopped.referenceCut, stopped.cut], [false, false]);
  assertEquals([stopped.scores, stopped.referenceScores], [{ empty: 0 }, { empty: 0 }]);
  const short = await replayed({ stop, group: "short" }, 1);
  assertEquals([short.referenceCut, short.cut, short.group], [true, true, "short"]);
});

Deno.test("a prompt goes without a chat turn, and without its middle, when it says so", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const tokens = async (prompt: Prompt, maxPromptTokens?: number) => {
    const sizes: number[] = [];
    await lab.replay(prompt, {
      choose_bits: (_layer: number, _kind: string, _head: number, stats: { tokens: number }) => {
        sizes.push(stats.tokens);
        return 4;
      },
      choose_axis: () => "token" as const,
      residual_length: () => 0,
      calibration_mode: () => "none" as const,
    }, { maxNewTokens: 1, ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }) });
    return sizes[0]!;
  };
  const turn = await tokens({ prompt: ASKED });
  const bare = await tokens({ prompt: ASKED, chat: false });
  assert(bare < turn);
  assertEquals(await tokens({ prompt: ASKED, chat: false, truncate: "middle" }, 10), 9);
  assertEquals(await tokens({ prompt: ASKED, truncate: "middle" }, 10), turn - bare + 9);
  // What has more tokens than the model has positions is cut to them.
  const long = "word ".repeat(lab.shape.maxPositions);
  const fitted = await tokens({ prompt: long, truncate: "middle" });
  assert(fitted <= lab.shape.maxPositions - 1 && fitted > lab.shape.maxPositions - 4, `${fitted}`);
});

Deno.test("a prompt that is none is refused by what is wrong with it", async () => {
  await using lab = await open("mini", { device: "cpu" });
  const wrong: [prompt: object, message: string][] = [
    [{ stop: "x" }, 'Example 0: stop is "x"; expected a RegExp without the flags g and y'],
    [{ stop: /x/g }, "Example 0: stop is "],
    [{ group: 3 }, "Example 0: group is 3; expected text"],
    [{ scores: 3 }, "Example 0: scores is 3; expected a function"],
    [
      { scores: () => ({ more: 2 }) },
      'The more of example "prompt-0" is 2; expected a number from',
    ],
  ];
  for (const [fields, message] of wrong) {
    await assertRejects(
      () =>
        lab.replay({ prompt: ASKED, ...fields } as Prompt, "uniform_quant_4bit", {
          maxNewTokens: 1,
        }),
      BenchmarkError,
      message,
    );
  }
});
