import { assertEquals, assertThrows } from "@std/assert";
import { QuantizerError } from "../../quant/quantizer_error.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { BaseFamily } from "../../search/base_family.ts";
import { lanePlan, lanesOf } from "../../search/lane_losses.ts";

const shape = { kvHeads: 2, headDim: 64 };
const choice = { family: "kivi", groupSize: 32, residualLength: 32 };

Deno.test("candidate widths are those of the family up to the widest allowed", () => {
  assertEquals(new BaseFamily(builtInFamilies, choice, shape, 4).widths, [1, 2, 3, 4]);
  assertEquals(new BaseFamily(builtInFamilies, choice, shape, 8).widths, [1, 2, 3, 4, 8]);
  assertEquals(new BaseFamily(builtInFamilies, choice, shape, 3, 2).widths, [2, 3]);
});

Deno.test("a family without such widths is refused", () => {
  assertThrows(
    () => new BaseFamily(builtInFamilies, { ...choice, family: "hf_quanto" }, shape, 1),
    QuantizerError,
    'Family "hf_quanto" has no candidate width from 1 to 1',
  );
});

Deno.test("families that learn offline or share one width among heads are refused", () => {
  const refused = [["transform", "learns offline"], [
    "hf_quanto",
    "one width for all heads",
  ]];
  for (const [family, said] of refused) {
    const make = () =>
      new BaseFamily(builtInFamilies, { family: family!, residualLength: 32 }, shape, 4);
    assertThrows(make, QuantizerError, said!);
  }
});

Deno.test("one lane is narrow, its neighbours in the tensor wide, everything else exact", () => {
  const base = new BaseFamily(builtInFamilies, choice, shape, 4);
  const model = { layers: 2, kvHeads: 2 };
  assertEquals(lanesOf(model).length, 8);
  const plan = lanePlan(base, model, { layer: 1, kind: "key", head: 1 }, 2);
  const bits = plan.map((settings) => settings.bits);
  assertEquals(bits, [[16, 16], [16, 16], [8, 2], [16, 16]]);
  const around = { key: [[3, 3], [4, 4]], value: [[1, 1], [2, 2]] };
  const inside = lanePlan(base, model, { layer: 1, kind: "key", head: 1 }, 2, around);
  assertEquals(
    inside.map(({ bits }) => [...bits]),
    [[3, 3], [1, 1], [4, 2], [2, 2]],
  );
});
