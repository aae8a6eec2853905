import { assertEquals } from "@std/assert";
import { gaussianPairs, PAIR_BITS } from "../../../quant/numerics/gaussian_pairs.ts";
import { PairFinder } from "../../../quant/numerics/pair_finder.ts";
import { randomSource } from "../../../quant/numerics/random.ts";

Deno.test("a finder of pairs finds what looking at all points finds", () => {
  const random = randomSource(3);
  // Beyond the lattice, too.
  const draw = () => (random.below(2 ** 32) / 2 ** 32 - 0.5) * 9;
  for (const bits of PAIR_BITS) {
    const points = gaussianPairs(bits);
    const finder = new PairFinder(points);
    for (let i = 0; i < 20_000; i++) {
      const [x, y] = [draw(), draw()];
      let [best, found] = [-Infinity, 0];
      for (let p = 0; p < points.length / 2; p++) {
        const [a, b] = [points[2 * p]!, points[2 * p + 1]!];
        const score = x * a + y * b - (a ** 2 + b ** 2) / 2;
        if (score > best) [best, found] = [score, p];
      }
      assertEquals(finder.nearest(x, y), found, `${x}, ${y} of ${bits} bits`);
    }
    const pairs = Float32Array.from({ length: 2002 }, draw);
    const codes = new Int32Array(1001).fill(-1);
    finder.find(pairs, 2, 2000, 0.75, codes);
    const alone = codes.map((_, i) =>
      finder.nearest(0.75 * pairs[2 * i]!, 0.75 * pairs[2 * i + 1]!)
    );
    assertEquals(codes, Int32Array.of(-1, ...alone.subarray(1, 1000), -1));
  }
});
