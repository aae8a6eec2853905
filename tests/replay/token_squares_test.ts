import { assertAlmostEquals, assertEquals } from "@std/assert";
import { TokenSquares } from "../../replay/token_squares.ts";

Deno.test("cache error counts the whole snapshot's energy and the quantized tokens' error", () => {
  const squares = new TokenSquares({
    error: new Float64Array([1, 2, 3, 4]),
    norm: new Float64Array([10, 10, 10, 10]),
  });
  assertAlmostEquals(squares.ratio(4, { from: 1, to: 3 }), 5 / 40);
  assertEquals(squares.ratio(2, { from: 0, to: 0 }), 0);
  const empty = new TokenSquares({ error: new Float64Array(1), norm: new Float64Array(1) });
  assertEquals(empty.ratio(0, { from: 0, to: 0 }), 0);
});

Deno.test("squares say which token is the first that cannot be measured", () => {
  const squares = (error: number[], norm: number[]) =>
    new TokenSquares({ error: Float64Array.from(error), norm: Float64Array.from(norm) });
  for (const wrong of [NaN, Infinity]) {
    const restored = squares([1, 0, wrong, 2], [1, 1, 1, 1]);
    assertEquals([restored.notRestored, restored.notReal], [2, undefined]);
    const real = squares([wrong, 0, wrong, 2], [1, wrong, 1, 1]);
    assertEquals([real.notRestored, real.notReal], [0, 1]);
  }
  const fine = squares([], []);
  assertEquals([fine.notRestored, fine.notReal], [undefined, undefined]);
});
