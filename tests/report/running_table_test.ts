/** Tables of a run while it goes on. */
import { assertEquals } from "@std/assert";
import { RunningTable } from "../../report/running_table.ts";
import { sliceTable } from "../../report/table.ts";
import { result } from "./sample_result.ts";

Deno.test("numbers are shown soon, then ever more seldom, and marked as first ones", () => {
  let now = 100;
  const lines: string[] = [];
  const running = new RunningTable((line) => lines.push(line), () => now);
  const shownAt: number[] = [];
  for (const seconds of [1, 5, 8, 9, 15, 16, 31, 40, 80, 200]) {
    now = 100 + seconds;
    const before = lines.length;
    running.show({ ...result, partial: true });
    if (lines.length > before) shownAt.push(seconds);
  }
  assertEquals(shownAt, [8, 16, 40, 80, 200]);
  const { partial: _, ...whole } = result;
  const table = ["First numbers, while the run goes on:", ...sliceTable(whole).split("\n")];
  assertEquals(lines.slice(0, table.length), table);
});
