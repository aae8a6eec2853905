/** What policies learned from, on stdout. */
import { assertEquals } from "@std/assert";
import { calibrationLines } from "../../report/calibration_line.ts";
import { result } from "./sample_result.ts";

Deno.test("a set is told once for all policies that learned from it, by names without spaces", () => {
  assertEquals(calibrationLines(result), [
    `CALIBRATION: slice=needle policies=kivi_2_bit samples=12 tokens=20422 sha256=${
      "d".repeat(64)
    }`,
  ]);
  const [, learned] = result.results;
  const other = {
    ...learned!,
    policy: "other",
    calibration: [{ samples: 1, tokens: 5, sha256: "e".repeat(64) }],
  };
  assertEquals(
    calibrationLines({ ...result, results: [learned!, { ...other, policy: "b" }] }).length,
    2,
  );
  assertEquals(calibrationLines({ ...result, results: [result.results[0]!] }), []);
});
