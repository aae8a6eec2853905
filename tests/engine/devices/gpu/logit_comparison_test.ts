import { assert, assertEquals } from "@std/assert";
import { LogitComparison } from "../../../../engine/devices/gpu/logit_comparison.ts";
import { randomSource } from "../../../../quant/numerics/random.ts";
import { Workbench } from "../../../../quant/gpu/workbench.ts";
import { compare } from "../../../../replay/metric.ts";
import { device as gpu } from "../../../quant/backends.ts";

// More than one part of a row, the last one not full; rows lie further apart than they are long.
const VOCAB = 9001;
const STRIDE = 9004;
const REFERENCE_ROWS = 3;

Deno.test({
  name: "logits are compared on a GPU as they are on the host",
  ignore: gpu === undefined,
  fn: async () => {
    const random = randomSource(7);
    const numbers = (count: number, scale: number) =>
      Float32Array.from({ length: count }, () => scale * (random.below(2 ** 24) / 2 ** 24 - 0.5));
    const reference = numbers(REFERENCE_ROWS * VOCAB, 30);
    const rows = [2, 0, 0, 1, 2, 1];
    const replayed = new Float32Array(rows.length * STRIDE).fill(1e6);
    const row = (i: number) => replayed.subarray(i * STRIDE, i * STRIDE + VOCAB);
    const theirs = (i: number) => reference.subarray(rows[i]! * VOCAB, (rows[i]! + 1) * VOCAB);
    for (const i of rows.keys()) row(i).set(theirs(i));
    // Row 0 stays equal; rows 1 and 2 are near and far; of row 3 the largest is there twice.
    for (const [i, scale] of [[1, 0.1], [2, 40]] as const) {
      numbers(VOCAB, scale).forEach((change, at) => row(i)[at]! += change);
    }
    row(3)[8500] = row(3)[4200] = 99;
    row(4)[17] = NaN;
    row(5)[8999] = Infinity;

    const bench = Workbench.of(gpu!);
    const before = bench.live;
    const comparison = new LogitComparison(gpu!, VOCAB);
    const buffer = bench.buffer("logits", replayed);
    const against = { logits: reference, rows };
    assert(comparison.takes(against));
    for (let round = 0; round < 2; round++) {
      const compared = await comparison.compare({ buffer, stride: STRIDE }, against);
      for (const [i, { token, kl }] of compared.entries()) {
        const wanted = compare(reference, rows[i]! * VOCAB, replayed, i * STRIDE, VOCAB);
        if (i > 3) {
          assert(!Number.isFinite(kl) && !Number.isFinite(wanted.kl), `row ${i} has KL ${kl}`);
          continue;
        }
        assertEquals(token, wanted.token);
        assert(Math.abs(kl - wanted.kl) <= 2e-6 * Math.max(1, wanted.kl), `${kl}, ${wanted.kl}`);
      }
      assertEquals(compared[0]!.kl, 0);
      assertEquals(compared[3]!.token, 4200);
    }
    comparison.close();
    bench.free(buffer);
    assertEquals(bench.live, before);
  },
});
