/** The adaptive policies keep their rate whatever statistics they are given. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AdaptiveQuantPolicy } from "../../policies/adaptive.ts";
import type { CalibrationStatistics } from "../../policies/calibration_statistics.ts";
import { adaptive, adaptive1bit, adaptive2bit } from "../../policies/adaptive.ts";
import type { BudgetState, RequestMeta, WorkloadMeta } from "../../policies/policy.ts";
import type {
  ComponentStatistics,
  TransformLayerStatistics,
} from "../../quant/families/transform/transform_statistics.ts";

const WIDTHS = [1, 2, 3, 4];
const STEPS = [4, 2, 1, 0.5, 0.25];

/** Numbers that a measurement on too little, on noise or on nothing may give. */
const hostile = fc.oneof(
  fc.double({ min: 0, max: 1e3, noNaN: true }),
  fc.constantFrom(0, 5e-324, 1e-30, 1e30, Infinity, NaN),
);

const component: fc.Arbitrary<ComponentStatistics> = fc.record({
  variance: hostile,
  energy: hostile,
  bits: fc.array(fc.array(hostile, { minLength: STEPS.length, maxLength: STEPS.length }), {
    minLength: WIDTHS.length,
    maxLength: WIDTHS.length,
  }),
  error: fc.array(fc.array(hostile, { minLength: STEPS.length, maxLength: STEPS.length }), {
    minLength: WIDTHS.length,
    maxLength: WIDTHS.length,
  }),
});

/** Components of a layer's keys or values. */
const COUNT = 8;

const components = fc.array(component, { minLength: COUNT, maxLength: COUNT });

const statistics = fc.array(
  fc.record({
    key: components,
    value: components,
    sensitivity: fc.record({ key: hostile, value: hostile }),
  }),
  { minLength: 1, maxLength: 3 },
);

const budget = (budget_bits: number) => ({ budget_bits }) as BudgetState;

/** What a policy gives to each layer and kind. */
function given(
  policy: InstanceType<typeof AdaptiveQuantPolicy>,
  budgetBits: number,
  layers: readonly TransformLayerStatistics[],
) {
  policy.calibration_mode({} as WorkloadMeta, budget(budgetBits));
  const transform = { widths: WIDTHS, steps: STEPS, layers };
  policy.calibrate({ families: { transform } } as unknown as CalibrationStatistics);
  return layers.flatMap((_, layer) =>
    (["key", "value"] as const).map((kind) => policy.family_options(layer, kind))
  );
}

Deno.test("what adaptive policies hand out is their rate on average, whatever was learned", () => {
  const policies = [[adaptive, 3], [adaptive2bit, 2], [adaptive1bit, 1.5]] as const;
  fc.assert(
    fc.property(
      statistics,
      fc.constantFrom(...policies),
      fc.constantFrom(1, 2, 3, 4),
      (layers, [make, named], budgetBits) => {
        const policy = make() as AdaptiveQuantPolicy;
        const options = given(policy, budgetBits, layers);
        const rate = Math.min(named, budgetBits);
        const mean = options.reduce((sum, { most_bits }) => sum + most_bits, 0) / options.length;
        assertAlmostEquals(mean, rate, 1e-9);
        // Every layer can pay for groups in which nothing is coded.
        for (const { most_bits } of options) assert(most_bits >= Math.min(rate, 64 / (16 * COUNT)));
        for (const { steps } of options) assertEquals(steps.length, COUNT);
        assert(policy.choose_bits() <= budgetBits);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("layers have bits in proportion to what they are planned to take", () => {
  const plain = (variance: number): ComponentStatistics => ({
    variance,
    energy: variance,
    // As a normal distribution takes them.
    bits: WIDTHS.map(() => [0.2, 1, 2, 3, 4]),
    error: WIDTHS.map(() => [0.9, 0.3, 0.08, 0.02, 0.005]),
  });
  const fill = (variance: number) => new Array<ComponentStatistics>(COUNT).fill(plain(variance));
  const layers = [
    { key: fill(1), value: fill(1), sensitivity: { key: 1000, value: 1 } },
    { key: fill(1), value: fill(1e-3), sensitivity: { key: 1, value: 1e-3 } },
  ];
  const [first, second, third, last] = given(new AdaptiveQuantPolicy({ rate: 3 }), 4, layers);
  assert(first!.most_bits > second!.most_bits);
  assertEquals(second!.most_bits, third!.most_bits);
  assert(second!.most_bits > last!.most_bits);
});

Deno.test("an adaptive window is sized to the prompt", () => {
  const policy = adaptive();
  const window = (prompt_tokens: number) =>
    policy.residual_length(0, { prompt_tokens } as RequestMeta);
  assertEquals([10, 100, 250, 9000].map(window), [4, 6, 15, 16]);
});
