import { assert, assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { open, type PolicyChoice, type PolicyResult } from "../../mod.ts";
import { policies } from "../../policies/mod.ts";
import { headErrorsCsv } from "../../report/head_error_rows.ts";
import { device as gpu } from "../quant/backends.ts";
import { result } from "../report/sample_result.ts";

/** Stores of every kind, and one whose heads differ. */
const CHOICES: readonly PolicyChoice[] = [
  "reference",
  "uniform_quant_2bit",
  { name: "kivi", policy: { ...policies.kivi_overlap_2bit(), residual_length: () => 32 } },
  "turboquant_2bit",
  "hf_quanto_2bit",
  "vllm_fp8_e5m2",
  {
    name: "by_head",
    policy: {
      ...policies.uniform_quant_4bit(),
      choose_bits: (_layer: number, _kind: string, head: number) => head === 0 ? 4 : 1,
    },
  },
];

const prompt = "The lamp is kept in box 12 and the coin in box 7. ".repeat(5) +
  "Where is the coin?";

/** What the first device came to. */
const first: PolicyResult[] = [];

for (const device of ["cpu", "webgpu"] as const) {
  Deno.test({
    name: `heads add up to what their layer and the whole cache lost (${device})`,
    ignore: device === "webgpu" && gpu === undefined,
    fn: async () => {
      await using lab = await open("mini", { device });
      const { layers, kvHeads } = lab.shape;
      const { results, failures } = await lab.replay({ prompt }, CHOICES, { maxNewTokens: 2 });
      assertEquals(failures, []);
      for (const { policy, numbers, outcomes: [outcome] } of results) {
        const { headErrors } = outcome!;
        assertEquals(headErrors.map((kinds) => kinds.map((heads) => heads.length)).flat(), [
          ...new Array(2 * layers).fill(kvHeads),
        ]);
        const tensors = headErrors.flat().map((heads) =>
          heads.reduce((sum, { ofLayer }) => sum + ofLayer, 0)
        );
        const mean = tensors.reduce((a, b) => a + b) / tensors.length;
        assertAlmostEquals(Math.sqrt(mean), numbers.cache_error, 1e-9, policy);
        const lost = headErrors.flat(2).map(({ own }) => own);
        if (policy === "reference") assert(lost.every((own) => own === 0));
        else assertGreater(Math.min(...lost), 0, policy);
        if (policy !== "by_head") continue;
        for (const [widest, ...others] of headErrors.flat()) {
          for (const { own } of others) assertGreater(own, 4 * widest!.own);
        }
      }
      if (first.length === 0) first.push(...results);
      for (const [i, { policy, outcomes }] of results.entries()) {
        const same = first[i]!.outcomes[0]!.headErrors.flat(2);
        for (const [lane, { own }] of outcomes[0]!.headErrors.flat(2).entries()) {
          assertAlmostEquals(own, same[lane]!.own, 0.02 * same[lane]!.own, policy);
        }
      }
    },
  });
}

Deno.test("head_errors.csv has a line for each head behind one for all of them", () => {
  const [first] = result.results;
  const [outcome] = first!.outcomes;
  // Another example of one step, whose first head lost nothing: steps count, not examples.
  const other = {
    ...outcome!,
    steps: outcome!.steps.slice(1),
    headErrors: outcome!.headErrors.map((kinds) =>
      kinds.map((heads) => heads.map(() => ({ own: 0, ofLayer: 0 })))
    ),
  };
  const ran = { ...result, results: [{ ...first!, outcomes: [outcome!, other] }] };
  const lines = headErrorsCsv([{ result: ran }]).trimEnd()
    .split(/\r?\n/);
  assertEquals(lines[0], "slice,policy,layer,kind,head,error,share");
  const rows = lines.slice(1).map((line) => line.split(","));
  assertEquals(rows.map((row) => row.slice(0, 5).join(" ")), [
    "needle reference 0 key all",
    "needle reference 0 key 0",
    "needle reference 0 key 1",
    "needle reference 0 value all",
    "needle reference 0 value 0",
    "needle reference 0 value 1",
  ]);
  // Two thirds of 0.125 + 0.125; of 0.5, 0.125.
  assertAlmostEquals(Number(rows[0]![6]), 2 / 3 * 0.25, 1e-12);
  assertAlmostEquals(Number(rows[0]![5]), Math.sqrt(2 / 3 * 0.25), 1e-12);
  assertAlmostEquals(Number(rows[1]![5]), Math.sqrt(2 / 3 * 0.5), 1e-12);
  assertAlmostEquals(Number(rows[1]![6]), 2 / 3 * 0.125, 1e-12);
});
