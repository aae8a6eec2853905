import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../errors.ts";
import { cheapestChoices, CHOICES } from "../../tools/make_kvtuner_table.ts";
import { PolicyError } from "../../policies/check.ts";
import { kvtunerKivi, kvtunerPolicy } from "../../policies/kvtuner.ts";
import { parseKvtunerTable, tableWidth } from "../../policies/kvtuner_table.ts";
import type { BudgetState, TokenStats } from "../../policies/policy.ts";

const PER_HEAD = `
0:
  0: {nbits_key: 8, nbits_value: 4}
  1: {nbits_key: 4, nbits_value: 2}
1:
  0: {nbits_key: 2, nbits_value: 2}
  1: {nbits_key: 2, nbits_value: 4}
`;

Deno.test("a table is read from YAML and from JSON", () => {
  const yaml = "0:\n  nbits_key: 4\n  nbits_value: 8\n1:\n  nbits_key: 2\n  nbits_value: 4\n";
  const json = JSON.stringify({
    1: { nbits_key: 2, nbits_value: 4 },
    0: { nbits_value: 8, nbits_key: 4 },
  });
  const layers = [{ key: 4, value: 8 }, { key: 2, value: 4 }];
  assertEquals(parseKvtunerTable(yaml, "a.yaml"), { name: "a.yaml", layers });
  assertEquals(parseKvtunerTable(json, "a.json"), { name: "a.json", layers });
});

Deno.test("layers may name more than ten, in any order", () => {
  const lines = Array.from({ length: 36 }, (_, i) => 35 - i).map((layer) =>
    `${layer}: {nbits_key: ${layer % 2 === 0 ? 4 : 2}, nbits_value: 2}`
  );
  const { layers } = parseKvtunerTable(lines.join("\n"), "36.yaml");
  assertEquals(layers.map(({ key }) => key), layers.map((_, i) => i % 2 === 0 ? 4 : 2));
});

Deno.test("a table may have widths per head", () => {
  const table = parseKvtunerTable(PER_HEAD, "heads.yaml");
  const model = { layers: 2, kv_heads: 2 };
  assertEquals(tableWidth(table, 0, "key", 1, model), 4);
  assertEquals(tableWidth(table, 1, "value", 1, model), 4);
  assertThrows(
    () => tableWidth(table, 0, "key", 0, { layers: 2, kv_heads: 4 }),
    PolicyError,
    "has 2 heads in layer 0, but the model has 4 KV heads",
  );
});

Deno.test("a table of another model is refused", () => {
  const table = parseKvtunerTable(PER_HEAD, "heads.yaml");
  assertThrows(
    () => tableWidth(table, 0, "key", 0, { layers: 24, kv_heads: 2 }),
    PolicyError,
    "The table heads.yaml is for 2 layers, but the model has 24; a replay takes one of this model with " +
      "--kvtuner-table",
  );
});

const REFUSED: readonly [string, string][] = [
  ["0: [", "t.yaml is neither YAML nor JSON: "],
  ["0: {nbits_key: 4, nbits_value: 4}\n0: {}", "neither YAML nor JSON: duplicated mapping key"],
  ["", "t.yaml is neither YAML nor JSON"],
  ["[]", "t.yaml is not a table of widths"],
  ["null", "t.yaml is not a table of widths"],
  ["{}", "t.yaml is not a table of widths"],
  ["1: {nbits_key: 4, nbits_value: 4}", "t.yaml has no layer 0 among its 1 entries"],
  ["0: 4", "t.yaml, layer 0 is not a table of widths"],
  ["0: {nbits_key: 4}", "t.yaml, layer 0: nbits_value is missing; it must be one of 2, 4, 8"],
  ["0: {nbits_key: 3, nbits_value: 4}", "t.yaml, layer 0: nbits_key is 3"],
  ['0: {nbits_key: "4", nbits_value: 4}', 't.yaml, layer 0: nbits_key is "4"'],
  ["0: {nbits_key: 4, nbits_value: 4, axis: 0}", 'there is a field "axis"'],
  ["0: {0: {nbits_key: 4, nbits_value: 16}}", "t.yaml, layer 0, head 0: nbits_value is 16"],
  ["0: {1: {nbits_key: 4, nbits_value: 4}}", "t.yaml, layer 0 has no head 0"],
  ["0: &a {nbits_key: 4, nbits_value: 4}\n1: *a", "neither YAML nor JSON"],
  ["# ".padEnd(4_000_001, "x"), "has 4000001 characters"],
];

for (const [text, says] of REFUSED) {
  Deno.test(`a table is refused that says ${JSON.stringify(text.slice(0, 60))}`, () => {
    assertThrows(() => parseKvtunerTable(text, "t.yaml"), PolicyError, says);
  });
}

const stats = {} as TokenStats;
const budget = { layers: 8, kv_heads: 2 } as BudgetState;

Deno.test("the built-in table has a mean of three bits, none above four", () => {
  const widths = Array.from(
    { length: 8 },
    (_, layer) =>
      (["key", "value"] as const).map((kind) =>
        kvtunerKivi().choose_bits(layer, kind, 0, stats, budget)
      ),
  ).flat();
  assertEquals(widths.reduce((a, b) => a + b) / widths.length, 3);
  assert(Math.max(...widths) <= 4);
});

Deno.test("the per-token preset groups whole heads of single tokens", () => {
  const table = parseKvtunerTable("0: {nbits_key: 8, nbits_value: 4}", "one.yaml");
  const policy = kvtunerPolicy(table, "per_token");
  const request = {} as never;
  assertEquals(policy.choose_axis(0, "key"), "token");
  assertEquals(policy.group_size?.(0, "key", request), -1);
  assertEquals(policy.residual_length(0, request), 0);
  const one = { layers: 1, kv_heads: 2 } as BudgetState;
  assertEquals(policy.choose_bits(0, "key", 1, stats, one), 8);
});

Deno.test("the cheapest table spends its bits where they matter", () => {
  const costs = [[0, 1, 2, 4], [0, 0.5, 8, 9], [0, 0.1, 0.1, 0.15]];
  const bits = (path: number[]) =>
    path.reduce((sum, i) => sum + CHOICES[i]!.key + CHOICES[i]!.value, 0);
  const cost = (path: number[]) => path.reduce((sum, i, layer) => sum + costs[layer]![i]!, 0);
  const every = [0, 1, 2, 3].flatMap((a) =>
    [0, 1, 2, 3].flatMap((b) => [0, 1, 2, 3].map((c) => [a, b, c]))
  );
  for (const budget of [12, 14, 16, 18, 24]) {
    const best = Math.min(...every.filter((path) => bits(path) <= budget).map(cost));
    const chosen = cheapestChoices(costs, budget);
    assert(bits(chosen) <= budget);
    assertEquals(cost(chosen), best);
  }
  assertThrows(() => cheapestChoices(costs, 11), UserError, "at most 11 bits");
});
