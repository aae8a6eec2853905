/**
 * What the policies of a slice learned from, as it follows their numbers.
 *
 * @module
 */
import type { SliceResult } from "../evaluation/results.ts";
import { word } from "./test_metrics.ts";

/**
 * A line for each set that policies of a slice learned from, none where nothing was learned:
 * `CALIBRATION: slice=NAME policies=NAME[,...] samples=N tokens=N sha256=DIGEST`.
 */
export function calibrationLines({ slice, results }: SliceResult): string[] {
  const learned = results.flatMap(({ policy, calibration }) =>
    calibration.map((set) => ({ policy, set }))
  );
  return [...Map.groupBy(learned, ({ set }) => set.sha256).values()].map((own) => {
    const { samples, tokens, sha256 } = own[0]!.set;
    // A comma is between names.
    const names = own.map(({ policy }) => word(policy).replaceAll(",", "_")).join(",");
    return `CALIBRATION: slice=${word(slice)} policies=${names} samples=${samples} ` +
      `tokens=${tokens} sha256=${sha256}`;
  });
}
