/** What is said of the time that a run still takes. */
import { assertEquals } from "@std/assert";
import { TimeLeft } from "../../report/time_left.ts";

/** What is said at these seconds, with so much done of a hundred. */
function said(
  steps: readonly (readonly [seconds: number, done: number, total?: number])[],
): string[] {
  let now = 0;
  const left = new TimeLeft(() => now);
  return steps.map(([seconds, done, total = 100]) => {
    now = seconds;
    return left.text(done, total);
  });
}

Deno.test("nothing is said before anything is known, nor when all is done", () => {
  assertEquals(said([[0, 0], [1, 50], [60, 1], [61, 2], [70, 100]]), ["", "", "", "", ""]);
});

Deno.test("the rest takes as long as what was done did", () => {
  assertEquals(said([[5, 0], [15, 10], [25, 50]]), ["", "2 min left", "20 s left"]);
});

Deno.test("what was there before the start counts for nothing, and new work starts anew", () => {
  assertEquals(said([[0, 40], [10, 60], [20, 0], [30, 50], [30, 0, 10], [40, 5, 10]]), [
    ...["", "20 s left", "", "10 s left", "", "10 s left"],
  ]);
});
