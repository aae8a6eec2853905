import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { TokenSquares } from "../../replay/token_squares.ts";

Deno.test("cache error counts the whole snapshot's energy and the quantized tokens' error", () => {
  const squares = new TokenSquares({
    error: new Float64Array([1, 2, 3, 4]),
    norm: new Float64Array([10, 10, 10, 10]),
  }, 1);
  assertAlmostEquals(squares.ratio(4, { from: 1, to: 3 }), 5 / 40);
  assertEquals(squares.ratio(2, { from: 0, to: 0 }), 0);
  const empty = new TokenSquares({ error: new Float64Array(1), norm: new Float64Array(1) }, 1);
  assertEquals(empty.ratio(0, { from: 0, to: 0 }), 0);
});

Deno.test("squares say which token is the first that cannot be measured", () => {
  const squares = (error: number[], norm: number[]) =>
    new TokenSquares({ error: Float64Array.from(error), norm: Float64Array.from(norm) }, 1);
  for (const wrong of [NaN, Infinity]) {
    const restored = squares([1, 0, wrong, 2], [1, 1, 1, 1]);
    assertEquals([restored.notRestored, restored.notReal], [2, undefined]);
    const real = squares([wrong, 0, wrong, 2], [1, wrong, 1, 1]);
    assertEquals([real.notRestored, real.notReal], [0, 1]);
  }
  const fine = squares([], []);
  assertEquals([fine.notRestored, fine.notReal], [undefined, undefined]);
});

Deno.test("heads add up to their layer, and each has its own share", () => {
  // Two heads of two tokens; the second token is quantized.
  const squares = new TokenSquares({
    error: new Float64Array([9, 2, 9, 4]),
    norm: new Float64Array([3, 5, 10, 10]),
  }, 2);
  assertEquals(squares.headLosses(2, { from: 1, to: 2 }), [
    { own: 2 / 8, ofLayer: 2 / 28 },
    { own: 4 / 20, ofLayer: 4 / 28 },
  ]);
  const entry = fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e3, noNaN: true }));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 6 }),
      fc.infiniteStream(entry),
      fc.tuple(fc.nat(), fc.nat()),
      (heads, tokens, stream, [a, b]) => {
        const values = () =>
          Float64Array.from({ length: heads * tokens }, () => stream.next().value!);
        const squares = new TokenSquares({ error: values(), norm: values() }, heads);
        const [from, to] = [a, b].map((x) => x % (tokens + 1)).sort((x, y) => x - y);
        const range = { from: from!, to: to! };
        const losses = squares.headLosses(tokens, range);
        const layer = squares.ratio(tokens, range);
        const sum = losses.reduce((total, { ofLayer }) => total + ofLayer, 0);
        assertAlmostEquals(sum, layer, 1e-9 * Math.max(1, layer));
        assert(losses.every(({ own }) => own >= 0));
      },
    ),
  );
});
