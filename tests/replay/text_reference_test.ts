/** A known text in full precision, and its replay at some of its steps. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Rotary } from "../../engine/rotary.ts";
import { Planner } from "../../policies/plan.ts";
import { hostBuiltin } from "../../policies/registry.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { replayExample } from "../../replay/loop.ts";
import { negativeLogLikelihood } from "../../replay/metric.ts";
import { storesBeside } from "../../replay/quantize.ts";
import { freeReference, runReference } from "../../replay/reference.ts";
import { runText } from "../../replay/text_reference.ts";
import { testOnEngines } from "../engine/devices/engines.ts";

const TEXT = "The lamp is kept in box 12 and the coin in box 7. ".repeat(7);

testOnEngines(
  "a text is predicted as it is when it is decoded",
  "models/mini",
  async (engine, model) => {
    const prompt = model.tokenizer.encode(TEXT);
    const decoded = await runReference(engine, prompt, 6, []);
    const ids = [...prompt, ...decoded.tokens];
    const text = await runText(engine, { ids, from: prompt.length - 1, every: 1 });
    try {
      assertEquals(text.tokens, [...decoded.tokens]);
      for (const [i, logit] of text.logits.entries()) {
        assertAlmostEquals(logit, decoded.logits[i]!, 1e-3);
      }
    } finally {
      for (const reference of [decoded, text]) freeReference(engine, reference);
    }
  },
);

testOnEngines(
  "scored steps are the same, however many others are",
  "models/mini",
  async (engine, model) => {
    const ids = model.tokenizer.encode(TEXT);
    const from = ids.length - 71;
    const { layers, kvHeads: heads, headDim, vocab } = engine.shape;
    const rope = new Rotary(engine, ids.length);
    const replayed = async (every: number, name: "kivi_overlap_2bit" | "hf_quanto_4bit") => {
      const reference = await runText(engine, { ids, from, every });
      const losses: number[] = [];
      try {
        const { steps } = await replayExample({
          engine,
          open: storesBeside(engine, builtInFamilies),
          reference,
          planner: new Planner(hostBuiltin(name), { layers, heads, headDim }, {
            families: builtInFamilies,
            budgetBits: 4,
            calibrationMode: "none",
          }),
          rope: rope.get,
          request: { slice: "s", dataset: "d", max_new_tokens: 1 },
          budgetBits: 4,
          mostCodeBits: 4,
          attentionStats: false,
          stepwise: false,
          seen: (index, logits) =>
            losses[index] = negativeLogLikelihood(logits, 0, vocab, ids[from + index * every + 1]!),
        });
        return { steps, losses };
      } finally {
        freeReference(engine, reference);
      }
    };
    for (const name of ["kivi_overlap_2bit", "hf_quanto_4bit"] as const) {
      const all = await replayed(1, name);
      const some = await replayed(7, name);
      assertEquals([all.steps.length, some.steps.length], [70, 10]);
      assertEquals(some.steps.map(({ step }) => step), [0, 7, 14, 21, 28, 35, 42, 49, 56, 63]);
      for (const [i, { step, kl, token, bytes }] of some.steps.entries()) {
        const same = all.steps[step]!;
        assertEquals([token, bytes], [same.token, same.bytes]);
        assertAlmostEquals(kl, same.kl, 1e-4);
        assertAlmostEquals(some.losses[i]!, all.losses[step]!, 1e-3);
      }
      assert(some.losses.every((loss) => loss > 0));
    }
    rope.free();
  },
);
