import { assertEquals } from "@std/assert";
import { scalingOfFactors } from "../../../../engine/checkpoint/gguf/rope_factors.ts";

interface Case {
  readonly head_dim: number;
  readonly theta: number;
  readonly factor: number;
  readonly original: number;
  readonly factors: readonly number[];
}

const cases: Case[] = JSON.parse(
  await Deno.readTextFile(new URL("../../../golden/gguf/rope_factors.json", import.meta.url)),
);

Deno.test("the parameters are found that the factors were made from", () => {
  for (const { head_dim, theta, factor, original, factors } of cases) {
    assertEquals(scalingOfFactors(factors, head_dim, theta), {
      rope_type: "llama3",
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: original,
    });
  }
});

Deno.test("factors that no parameters give are not taken for some that do", () => {
  const [{ head_dim, theta, factors }] = cases as [Case, ...Case[]];
  for (let i = 0; i < factors.length; i++) {
    const changed = factors.with(i, factors[i]! * 1.01);
    assertEquals(scalingOfFactors(changed, head_dim, theta), undefined, `factor ${i}`);
  }
  assertEquals(scalingOfFactors(factors, head_dim, 2 * theta), undefined);
  assertEquals(scalingOfFactors(factors.map(() => NaN), head_dim, theta), undefined);
});
