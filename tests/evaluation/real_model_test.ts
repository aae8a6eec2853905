/**
 * Texts and replies under policies on real weights, as PyTorch computes them. The variable
 * KVREPLAY_REAL_MODELS names the folder that `tools/real_models.sh` brought the weights to; where it is
 * set, SmolLM2 must be there.
 */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { loadDataFile } from "../../benchmarks/slices.ts";
import { open } from "../../evaluation/lab.ts";
import type { PolicyName } from "../../policies/registry.ts";
import { moreFields } from "../../report/more_fields.ts";

const FOLDER = Deno.env.get("KVREPLAY_REAL_MODELS");
const GOLDEN = new URL("../golden/gguf/smollm2_policies.json", import.meta.url);

interface Golden {
  readonly perplexity: {
    readonly text: string;
    readonly mean_nll: Readonly<Record<string, number>>;
  };
  readonly generate: {
    readonly example: unknown;
    readonly tokens: Readonly<Record<string, readonly number[]>>;
  };
}

/** Largest difference of a mean negative log-likelihood, in nats. */
const TOLERANCE = 1e-3;

/** Tokens of a reply that are compared. */
const REPLY = 6;

for (const folder of FOLDER === undefined ? [] : [FOLDER]) {
  Deno.test("SmolLM2 reads and replies under policies as PyTorch has it", async (t) => {
    const { perplexity, generate }: Golden = JSON.parse(await Deno.readTextFile(GOLDEN));
    await using lab = await open(join(folder, "smollm2-135m-instruct-q4_1.gguf"), {
      device: "cpu",
    });
    const names = (values: Readonly<Record<string, unknown>>) =>
      Object.keys(values) as PolicyName[];

    await t.step("mean negative log-likelihood", async () => {
      const { text, mean_nll } = perplexity;
      const sizes = { window: 513, from: 256, every: 4 };
      const { results, failures } = await lab.perplexity(text, names(mean_nll), sizes);
      assertEquals(failures, []);
      assertEquals(results.map(({ policy }) => policy), names(mean_nll));
      for (const { policy, outcomes, numbers } of results) {
        assertEquals(numbers.steps, 64);
        const off = moreFields(outcomes).mean_nll! - mean_nll[policy]!;
        assert(Math.abs(off) <= TOLERANCE, `${policy} differs by ${off}`);
      }
    });

    await t.step("tokens from the policy's own cache", async () => {
      const file = await Deno.makeTempFile({ suffix: ".jsonl" });
      try {
        await Deno.writeTextFile(file, `${JSON.stringify(generate.example)}\n`);
        const examples = await loadDataFile(file);
        const options = { generate: true, maxNewTokens: REPLY };
        const { results } = await lab.replay(
          [...examples],
          names(generate.tokens),
          options,
        );
        for (const [i, [policy, tokens]] of Object.entries(generate.tokens).entries()) {
          const { generated } = results[i]!.outcomes[0]!;
          assertEquals(generated!.tokens, tokens.slice(0, REPLY), policy);
        }
      } finally {
        await Deno.remove(file);
      }
    });
  });
}
