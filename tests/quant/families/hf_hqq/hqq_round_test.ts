/** Rounds of the search in WebAssembly against their reference, to the last bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { groupSums } from "../../../../quant/families/hf_hqq/hqq_group.ts";
import { HqqRounds } from "../../../../quant/families/hf_hqq/hqq_round.ts";
import { kvData } from "../../kv_data.ts";

const FOLDER = new URL("../../../../quant/families/hf_hqq/", import.meta.url);

Deno.test("sums of groups in pairs are those of groups alone, bit for bit", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 70 }),
    fc.constantFrom(1, 3, 15, 255),
    // Steps per unit of value: from errors that are all sparse to errors that never are.
    fc.array(fc.constantFrom(0.01, 0.03, 0.3, 1, 2.5, 3, 200), { minLength: 12, maxLength: 12 }),
    fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
    fc.nat({ max: 1e6 }),
    (groups, size, topCode, steps, passed, seed) => {
      const reaches = Float64Array.from(steps.slice(0, groups), (s) => s ** 1.3 / 10);
      const sparse = reaches.map((reach) => reach ** (1 / 1.3));
      const passedOver = Uint8Array.from(passed.slice(0, groups), Number);
      const entries = kvData(groups, size, "normal", seed).map((x) => x * topCode / 4);
      const topCodes = new Uint16Array(groups).fill(topCode);
      const rounds = new HqqRounds(entries, size, reaches, sparse, topCodes);
      const zeros = reaches.map((_, i) => topCode / 2 + i / 7);
      rounds.zeros.set(zeros);
      rounds.measure(passedOver);
      for (let group = 0; group < groups; group++) {
        if (passedOver[group] === 1) continue;
        const [found, expected] = [{ distance: 0, change: 0 }, { distance: 0, change: 0 }];
        rounds.sums(group, found);
        const [from, to] = [group * size, (group + 1) * size];
        groupSums(
          entries,
          from,
          to,
          zeros[group]!,
          topCode,
          reaches[group]!,
          sparse[group]!,
          expected,
        );
        assertEquals(found, expected);
      }
    },
  ));
});

Deno.test("every step of the table, and its ends, give what the reference gives", () => {
  // Errors of a code that is far from its ends are what is added to it.
  const size = 8191;
  const reaches = Float64Array.of(0.2, 0.05);
  const sparse = reaches.map((reach) => reach ** (1 / 1.3));
  const entries = new Float32Array(2 * size);
  for (let i = 0; i < size; i++) {
    entries[i] = (i - 4095) / 8192;
    entries[size + i] = (i - 4095.5) / 8192;
  }
  const rounds = new HqqRounds(entries, size, reaches, sparse, new Uint16Array(2).fill(15));
  rounds.zeros.fill(8);
  rounds.measure(new Uint8Array(2));
  for (const group of [0, 1]) {
    const [found, expected] = [{ distance: 0, change: 0 }, { distance: 0, change: 0 }];
    rounds.sums(group, found);
    const from = group * size;
    groupSums(entries, from, from + size, 8, 15, reaches[group]!, sparse[group]!, expected);
    assertEquals(found, expected);
  }
});

Deno.test("hqq_round.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("hqq_round.wat", FOLDER));
  const module = (await wabt()).parseWat("hqq_round.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("hqq_round.wasm", FOLDER)),
  );
});
