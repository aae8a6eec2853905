/** What stores of rows need besides the cache: the scales that were learned, and nothing else. */
import { assertEquals } from "@std/assert";
import { bytesOfConstant } from "../../../../quant/family.ts";
import { fp8 } from "../../../../quant/families/fp8/fp8.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { answers } from "../affine/affine_answers.ts";
import { testOnBackends } from "../../backends.ts";
import { sourceOf } from "../../golden_cases.ts";

const shape = { heads: 64, capacity: 1, headDim: 16 };

for (
  const [scale, mode, bytes] of [
    ["head", "offline", [4 * shape.heads]],
    ["token_head", "none", []],
  ] as const
) {
  testOnBackends(`fp8 with a scale of each ${scale} needs its scales alone`, (backend) => {
    const ask = { bits: new Array(shape.heads).fill(8), calibrationMode: mode, options: { scale } };
    const settings = {
      ...settingsFor(fp8, answers("key", ask), shape),
      calibration: { scales: new Float32Array(shape.heads).fill(0.5) },
    };
    const tensor = backend.upload(new Float32Array(shape.heads * shape.headDim), shape);
    const store = backend.open(fp8, sourceOf(tensor, "key", 1), settings, 1);
    assertEquals((store.constants?.() ?? []).map(bytesOfConstant), [...bytes]);
    store.free();
  });
}
