/**
 * Finds a table of widths for `kvtuner_kivi` with the calibration set, which is never scored:
 *
 *     deno run -P=replay tools/make_kvtuner_table.ts mini 3 table.yaml
 *
 * KVTuner searches over groups of layers by the accuracy of whole tables (KexuanZhang/KVTuner,
 * search_optuna_adaptive.py). For a small model the effect of each layer can be measured instead: what
 * a layer's choice adds to the divergence of the predictions when all others have 4 bits. Taking the
 * effects as independent, the best table within a budget is a knapsack problem.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import { kvtunerPolicy } from "../policies/kvtuner.ts";
import type { KvtunerTable } from "../policies/kvtuner_table.ts";
import { open } from "../evaluation/lab.ts";
import { loadCalibrationSet } from "../calibration/calibration_set.ts";

/** Widths of a layer's keys and values. */
interface Choice {
  readonly key: number;
  readonly value: number;
}

/** KVTuner's choices within a budget of 4 bits, widest first. */
export const CHOICES: readonly Choice[] = [
  { key: 4, value: 4 },
  { key: 4, value: 2 },
  { key: 2, value: 4 },
  { key: 2, value: 2 },
];

const MOST_NEW_TOKENS = 32;

/**
 * The choice of every layer, as an index, with the least sum of costs whose widths sum to at most
 * `budget` bits.
 *
 * @param costs `costs[layer][choice]`
 * @throws {UserError} when even the narrowest choices exceed the budget
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CHOICES, cheapestChoices } from "./make_kvtuner_table.ts";
 *
 * // The first layer suffers from narrow keys, the second from nothing.
 * const costs = [[0, 0.1, 5, 6], [0, 0.2, 0.1, 0.3]];
 * assertEquals(cheapestChoices(costs, 10).map((i) => CHOICES[i]), [
 *   { key: 4, value: 2 },
 *   { key: 2, value: 2 },
 * ]);
 * ```
 */
export function cheapestChoices(costs: readonly (readonly number[])[], budget: number): number[] {
  /** Cheapest way to spend exactly so many bits on the layers so far. */
  let spent = new Map([[0, { cost: 0, path: [] as number[] }]]);
  for (const layer of costs) {
    const next: typeof spent = new Map();
    for (const [bits, { cost, path }] of spent) {
      CHOICES.forEach(({ key, value }, i) => {
        const total = bits + key + value;
        const sum = cost + layer[i]!;
        if (total <= budget && sum < (next.get(total)?.cost ?? Infinity)) {
          next.set(total, { cost: sum, path: [...path, i] });
        }
      });
    }
    spent = next;
  }
  const best = [...spent.values()].sort((a, b) => a.cost - b.cost)[0];
  if (best === undefined) throw new UserError(`No table has at most ${budget} bits in all`);
  return best.path;
}

async function main(model: string, meanBits: number, file: string): Promise<void> {
  await using lab = await open(model, { device: "cpu" });
  const { layers } = lab.shape;
  const table = (changed: number, choice: Choice): KvtunerTable => ({
    name: `layer ${changed}`,
    layers: Array.from({ length: layers }, (_, l) => l === changed ? choice : CHOICES[0]!),
  });
  const policies = Array.from(
    { length: layers },
    (_, layer) =>
      CHOICES.map((choice, i) => ({
        name: `${layer}_${i}`,
        policy: kvtunerPolicy(table(layer, choice)),
      })),
  ).flat();
  // Wide layers are measured once and stand for every layer.
  const once = policies.filter((_, i) => i === 0 || i % CHOICES.length !== 0);
  const questions = (await loadCalibrationSet()).map(({ id, kind, prompt }) => ({
    id,
    dataset: kind,
    prompt,
  }));
  const { results } = await lab.replay(questions, once, {
    maxNewTokens: MOST_NEW_TOKENS,
  });
  const divergence = new Map(results.map(({ policy, outcomes }) => {
    const steps = outcomes.flatMap((outcome) => outcome.steps);
    return [policy, steps.reduce((sum, { kl }) => sum + kl, 0) / steps.length];
  }));
  const wide = divergence.get("0_0")!;
  const costs = Array.from(
    { length: layers },
    (_, layer) =>
      CHOICES.map((_, i) => i === 0 ? 0 : Math.max(0, divergence.get(`${layer}_${i}`)! - wide)),
  );
  costs.forEach((row, layer) => console.log(layer, ...row.map((cost) => cost.toExponential(2))));
  const chosen = cheapestChoices(costs, Math.floor(meanBits * 2 * layers));
  const text = chosen.map((i, layer) => {
    const { key, value } = CHOICES[i]!;
    return `${layer}:\n  nbits_key: ${key}\n  nbits_value: ${value}\n`;
  }).join("");
  await Deno.writeTextFile(`${file}.tmp`, text);
  await Deno.rename(`${file}.tmp`, file);
}

if (import.meta.main) {
  const [model, bits, file] = Deno.args;
  if (model === undefined || !(Number(bits) >= 2) || file === undefined) {
    console.error("Usage: make_kvtuner_table.ts MODEL MEAN_BITS FILE, with at least 2 mean bits");
    Deno.exit(2);
  }
  await main(model, Number(bits), file);
}
