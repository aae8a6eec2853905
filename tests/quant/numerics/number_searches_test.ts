/** The searches behind outliers and codebooks, against sorting everything. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BitWriter, readBits, readSteps } from "../../../quant/families/qaq/bit_stream.ts";
import { codebook, CodeFinder } from "../../../quant/numerics/codebook.ts";
import { Extremes, FloatRow } from "../../../quant/numerics/extremes.ts";
import { kmeans } from "../../../quant/numerics/kmeans.ts";
import { kmeans1d } from "../../../quant/numerics/kmeans_1d.ts";
import { percentile } from "../../../quant/numerics/percentile.ts";
import { probit } from "../../../quant/numerics/probit.ts";
import { QuantileEnds } from "../../../quant/numerics/quantile_ends.ts";

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 1, -1, 0.5, 2 ** -149, -3e38),
);
const ascending = (a: number, b: number) => a - b;

Deno.test("extremes are the ends of the sorted row", () => {
  fc.assert(fc.property(
    fc.array(value, { minLength: 1, maxLength: 80 }),
    fc.nat(),
    fc.nat(),
    fc.nat({ max: 3 }),
    (values, bottom, top, lead) => {
      const count = values.length;
      const extremes = new Extremes(count, 1 + bottom % count, 1 + top % count);
      const row = new FloatRow(Float32Array.from([...Array<number>(lead).fill(7e37), ...values]));
      extremes.find(row, lead);
      // Zeros of either sign are equal.
      const sorted = Float32Array.from(values, (x) => x + 0).sort(ascending);
      const plain = (x: number) => x + 0;
      assertEquals(
        Array.from(extremes.smallest, plain),
        [...sorted.slice(0, 1 + bottom % count)],
      );
      assertEquals(
        Array.from(extremes.largest, plain),
        [...sorted.slice(count - 1 - top % count)].reverse(),
      );
    },
  ));
});

Deno.test("quantile ends interpolate the sorted row and see what lies inside", () => {
  fc.assert(fc.property(
    fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 2, maxLength: 300 }),
    fc.constantFrom(0.995, 0.95, 0.75, 0.5),
    (values, t) => {
      const row = Float32Array.from(values);
      const ends = new QuantileEnds(t, row.length);
      ends.find(new FloatRow(row));
      const sorted = row.slice().sort();
      assertAlmostEquals(ends.high, percentile(sorted, 100 * t), 1e-3);
      assertAlmostEquals(ends.low, percentile(sorted, 100 - 100 * t), 1e-3);
      const inside = sorted.filter((x) => x > ends.low && x < ends.high);
      if (inside.length === 0) return;
      assertEquals([ends.innerLow, ends.innerHigh], [inside[0], inside.at(-1)]);
    },
  ));
});

Deno.test("a bit stream of changing widths is read as it was written", () => {
  const runs = fc.array(
    fc.record({
      bits: fc.integer({ min: 0, max: 16 }),
      codes: fc.array(fc.nat({ max: 65535 }), { maxLength: 70 }),
    }),
    { maxLength: 12 },
  );
  fc.assert(fc.property(runs, (runs) => {
    const writer = new BitWriter(8);
    const cut = runs.map(({ bits, codes }) => codes.map((code) => code & ((1 << bits) - 1)));
    runs.forEach(({ bits }, i) => {
      const codes = Int32Array.from([9, ...cut[i]!, 9]);
      writer.write(codes, 1, codes.length - 1, bits);
    });
    let at = 0;
    for (const [i, { bits }] of runs.entries()) {
      const read = new Int32Array(cut[i]!.length);
      readBits(writer.words, at, read.length, bits, read);
      assertEquals([...read], cut[i]);
      at += read.length * bits;
    }
    assertEquals(writer.length, at);
    const behind = writer.words.subarray(Math.ceil(at / 32));
    assert(behind.every((word) => word === 0));
  }));
});

Deno.test("steps are rounded to even, saturate, and come back at their centres", () => {
  const writer = new BitWriter(8);
  const row = Float32Array.of(-99, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 99);
  writer.writeSteps(row, 0, row.length, 0, 1, 3);
  const read = new Float32Array(row.length);
  readSteps(writer.words, 0, 3, 1, 0, read, 0, row.length);
  assertEquals([...read], [-4, -2, -2, 0, 0, 2, 2, 3]);
  readSteps(writer.words, 6, 3, 10, 1, read, 0, 2);
  assertEquals([...read.subarray(0, 2)], [-19, 1]);
  readSteps(writer.words, 0, 0, 1, 5, read, 2, 4);
  assertEquals([...read.subarray(1, 5)], [1, 5, 5, 0]);
});

Deno.test("a code finder finds the nearest entry, the lower one on a boundary", () => {
  const entry = fc.float({ min: -1, max: 1, noNaN: true });
  fc.assert(fc.property(
    fc.array(entry, { minLength: 8, maxLength: 8 }),
    fc.array(fc.float({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 50 }),
    (entries, values) => {
      const book = codebook(3, Float32Array.from(entries).sort());
      const finder = new CodeFinder(book.bounds);
      const row = Float32Array.from([0, ...values]);
      const codes = new Int32Array(values.length);
      finder.findRow(row, 1, values.length, 0, 1, codes);
      for (const [i, z] of row.subarray(1).entries()) {
        assertEquals(codes[i], finder.find(z));
        const distance = Math.abs(z - book.entries[codes[i]!]!);
        const nearest = Math.min(...Array.from(book.entries, (x) => Math.abs(z - x)));
        assert(distance <= nearest + 1e-6);
        const lower = book.bounds[codes[i]! - 1];
        assert(lower === undefined || z > lower);
      }
    },
  ));
});

Deno.test("k-means on a line keeps every value with its nearest centre", () => {
  fc.assert(fc.property(
    fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 20, maxLength: 300 }),
    fc.integer({ min: 1, max: 8 }),
    fc.boolean(),
    (values, k, weighted) => {
      const sorted = Float32Array.from(values).sort();
      const weights = sorted.map((_, i) => weighted ? 1 + i % 3 : 1);
      const centres = kmeans1d(sorted, k, { weights, iterations: 1000, seed: 1 });
      assertEquals([...centres], [...centres].sort(ascending));
      // Converged: a centre that holds values is their weighted mean.
      const label = (x: number) =>
        centres.reduce(
          (best, c, i) => Math.abs(x - c) < Math.abs(x - centres[best]!) ? i : best,
          0,
        );
      for (const [c, centre] of centres.entries()) {
        let mass = 0, moment = 0, near = false;
        sorted.forEach((x, i) => {
          const other = centres.findIndex((d, j) =>
            j !== c && Math.abs(Math.abs(x - d) - Math.abs(x - centre)) < 1e-9
          );
          near ||= other >= 0;
          if (label(x) !== c) return;
          mass += weights[i]!;
          moment += weights[i]! * x;
        });
        // A value between two centres may count to either.
        if (mass > 0 && !near) assertAlmostEquals(centre, moment / mass, 1e-9);
      }
    },
  ));
});

Deno.test("k-means of weighted values is that of repeated ones", () => {
  const values = Float32Array.of(-1, -0.9, -0.2, 0.1, 0.15, 0.8, 0.95);
  const weights = [1, 3, 2, 1, 4, 2, 2];
  const repeated = Float32Array.from([...values].flatMap((x, i) => Array(weights[i]!).fill(x)));
  const options = { iterations: 100, seed: 3 };
  const weighted = kmeans1d(values, 3, { ...options, weights });
  const plain = kmeans1d(repeated, 3, options);
  const inertia = (centres: Float64Array) =>
    repeated.reduce((sum, x) => sum + Math.min(...Array.from(centres, (c) => (x - c) ** 2)), 0);
  assertAlmostEquals(inertia(weighted), inertia(plain), 1e-9);
});

Deno.test("k-means of points leaves each with its nearest mean", () => {
  const point = fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 }));
  fc.assert(fc.property(
    fc.array(point, { minLength: 1, maxLength: 60 }),
    fc.integer({ min: 1, max: 5 }),
    (points, k) => {
      const { labels, inertia } = kmeans(points, k, { starts: 3, iterations: 300, seed: 1 });
      let sum = 0;
      for (let c = 0; c < k; c++) {
        const members = points.filter((_, i) => labels[i] === c);
        const mean = [0, 1].map((d) => members.reduce((s, p) => s + p[d]!, 0) / members.length);
        for (const p of members) sum += (p[0] - mean[0]!) ** 2 + (p[1] - mean[1]!) ** 2;
      }
      assertAlmostEquals(inertia, sum, 1e-6);
      assert(labels.every((label) => label >= 0 && label < k));
    },
  ));
});

Deno.test("percentiles interpolate between ranks", () => {
  const sorted = Float32Array.of(1, 2, 4, 8, 16);
  assertEquals([0, 25, 50, 100].map((p) => percentile(sorted, p)), [1, 2, 4, 16]);
  assertAlmostEquals(percentile(sorted, 60), 5.6, 1e-6);
  assertEquals(percentile(Float32Array.of(3), 99.5), 3);
});

Deno.test("probit agrees with tabulated quantiles and is odd", () => {
  // Python's statistics.NormalDist().inv_cdf.
  for (
    const [p, x] of [
      [1e-300, -37.0470962993612],
      [1e-20, -9.262340089798408],
      [1e-5, -4.264890793922825],
      [0.03125, -1.8627318674216515],
      [0.3, -0.5244005127080409],
      [0.65, 0.38532046640756773],
      [0.999, 3.0902323061678132],
    ] as const
  ) assertAlmostEquals(probit(p), x, 1e-13 * Math.abs(x));
  assertEquals([probit(0.5), probit(0), probit(1)], [0, -Infinity, Infinity]);
  fc.assert(fc.property(fc.double({ min: 1e-9, max: 0.5, noNaN: true }), (p) => {
    assertAlmostEquals(probit(1 - p), -probit(1 - (1 - p)), 1e-6);
  }));
});
