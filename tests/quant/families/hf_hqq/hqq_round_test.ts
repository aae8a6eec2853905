/** Rounds of the search in WebAssembly against their reference, to the last bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { groupSums } from "../../../../quant/families/hf_hqq/hqq_group.ts";
import { HqqRounds, type SearchedGroups } from "../../../../quant/families/hf_hqq/hqq_round.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/hf_hqq/", import.meta.url);

/** Zero points and the error after some rounds, and what the reference gives group by group. */
function both(groups: SearchedGroups, size: number, data: Float32Array, moves: number) {
  const rounds = new HqqRounds(groups, size, (entries) => entries.set(data));
  const { steps, reaches, sparse, topCodes } = groups;
  const zeros = groups.zeros.slice();
  const errors = zeros.map(() => 0);
  const arrived = Array.from(steps, (s) => s === 0);
  const entries = data.map((x, i) => x * steps[Math.floor(i / size)]!);
  const found: number[] = [];
  const expected: number[] = [];
  for (let move = 0; move < moves; move++) {
    found.push(rounds.move());
    for (let group = 0; group < steps.length; group++) {
      if (arrived[group]) continue;
      const sums = { distance: 0, change: 0 };
      const [from, to] = [group * size, (group + 1) * size];
      const [top, reach, limit] = [topCodes[group]!, reaches[group]!, sparse[group]!];
      groupSums(entries, from, to, zeros[group]!, top, reach, limit, sums);
      zeros[group]! -= sums.change / size;
      errors[group] = sums.distance / steps[group]!;
      arrived[group] = Math.abs(sums.change / size) < 1e-6;
    }
    expected.push(errors.reduce((sum, error) => sum + error, 0));
  }
  return {
    found: { zeros: rounds.zeros(), errors: found },
    expected: { zeros, errors: expected },
  };
}

function groupsOf(steps: readonly number[], topCode: number, zeros: Float64Array): SearchedGroups {
  const reaches = Float64Array.from(steps, (s) => s ** 1.3 / 10);
  return {
    steps: Float64Array.from(steps),
    reaches,
    sparse: reaches.map((reach) => reach ** (1 / 1.3)),
    topCodes: new Uint16Array(steps.length).fill(topCode),
    zeros,
  };
}

Deno.test("groups in pairs move as groups alone do, bit for bit", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 70 }),
    fc.constantFrom(1, 3, 15, 255),
    // Steps per unit of value: from errors that are all sparse to errors that never are, and none.
    fc.array(fc.constantFrom(0, 0.01, 0.03, 0.3, 1, 2.5, 3, 200), {
      minLength: 12,
      maxLength: 12,
    }),
    fc.integer({ min: 1, max: 5 }),
    fc.nat({ max: 1e6 }),
    (count, size, topCode, steps, moves, seed) => {
      const groups = groupsOf(
        steps.slice(0, count),
        topCode,
        Float64Array.from({ length: count }, (_, i) => topCode / 2 + i / 7),
      );
      // Some lie beyond the codes.
      const data = kvData(count, size, "normal", seed)
        .map((x, i) => x * topCode / 4 / (groups.steps[Math.floor(i / size)]! || 1));
      const { found, expected } = both(groups, size, data, moves);
      assertEquals(found, expected);
    },
  ));
});

Deno.test("every step of the table, and its ends, give what the reference gives", () => {
  // Errors of a code that is far from its ends are what is added to it.
  const size = 8191;
  const entries = new Float32Array(2 * size);
  for (let i = 0; i < size; i++) {
    entries[i] = (i - 4095) / 8192;
    entries[size + i] = (i - 4095.5) / 8192;
  }
  const groups = {
    ...groupsOf([1, 1], 15, new Float64Array(2).fill(8)),
    reaches: Float64Array.of(0.2, 0.05),
  };
  groups.reaches.forEach((reach, i) => groups.sparse[i] = reach ** (1 / 1.3));
  const { found, expected } = both(groups, size, entries, 1);
  assertEquals(found, expected);
});

Deno.test("hqq_round.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("hqq_round.wat", FOLDER));
  const module = (await wabt()).parseWat("hqq_round.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("hqq_round.wasm", FOLDER)),
  );
});
