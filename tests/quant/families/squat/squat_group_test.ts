/** The corrector's kernels against plain loops, to the last bit. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import wabt from "wabt";
import { correctBlock, correctsInKernels } from "../../../../quant/families/squat/squat_group.ts";
import {
  correctionBlocks,
  type SquatSettings,
} from "../../../../quant/families/squat/squat_settings.ts";
import { squat } from "../../../../quant/families/squat/squat.ts";
import { roundToHalf } from "../../../../quant/packing/half.ts";
import { scaleOf, zeroOf } from "../../../../quant/stores/affine/affine_group.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import { KV_LOOKS, kvData } from "../../kv_data.ts";
import { answers } from "../../stores/affine/affine_answers.ts";

const FOLDER = new URL("../../../../quant/families/squat/", import.meta.url);
const BOUNDS = { error: 1e34, value: 3.4e38 };

/** One head and group, corrected entry by entry. */
function writtenOut(
  rows: Float32Array,
  headDim: number,
  width: number,
  matrix: Float64Array,
  topCode: number,
  rule: SquatSettings,
): Float32Array {
  const out = rows.slice();
  const stored = rule.paramDtype === "f16" ? roundToHalf : Math.fround;
  const tokens = rows.length / headDim;
  const later = headDim - width;
  const errors = new Float64Array(tokens * width);
  for (let i = 0; i < width; i++) {
    const channel = Array.from({ length: tokens }, (_, t) => rows[t * headDim + i]!);
    const zero = zeroOf(Math.min(...channel), rule);
    const scale = scaleOf(zero, Math.max(...channel), topCode, rule);
    channel.forEach((x, t) => {
      const steps = scale === 0 ? 0 : (x - zero) * (1 / scale);
      const floor = Math.floor(steps);
      const half = steps - floor;
      const code = half > 0.5 || half === 0.5 && floor % 2 === 1 ? floor + 1 : floor;
      errors[t * width + i] = Math.min(Math.max(code, 0), topCode) * stored(scale) + stored(zero) -
        x;
    });
  }
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < later; j++) {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += errors[t * width + i]! * matrix[i * later + j]!;
      out[t * headDim + width + j] = rows[t * headDim + width + j]! + sum;
    }
  }
  return out;
}

function settingsOf(bits: number, headDim: number, paramDtype: "f16" | "f32"): SquatSettings {
  const given = answers("key", { axis: "channel", bits: [bits], groupSize: 32 });
  return { ...settingsFor(squat, given, { headDim, heads: 1 }), paramDtype };
}

Deno.test("later channels are corrected as entry by entry, bit for bit", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 40 }),
    fc.constantFrom(1, 2, 3, 4, 8),
    fc.constantFrom("f16", "f32"),
    fc.constantFrom(...KV_LOOKS),
    fc.nat({ max: 1e6 }),
    (widths, laters, tokens, bits, paramDtype, look, seed) => {
      const [width, later] = [8 * widths, 8 * laters];
      const headDim = width + later;
      const rows = kvData(tokens, headDim, look, seed);
      const matrix = Float64Array.from(kvData(width, later, "normal", seed + 1), (x) => x / 7);
      const rule = settingsOf(bits, headDim, paramDtype);
      const topCode = 2 ** bits - 1;
      const expected = writtenOut(rows, headDim, width, matrix, topCode, rule);
      const block = { firstChannel: 0, later, offset: 0 };
      const done = correctBlock(rows, headDim, block, width, matrix, topCode, rule, BOUNDS);
      assertEquals([done, rows], [true, expected]);
    },
  ));
});

Deno.test("entries far from a zero point that saturates are left alone", () => {
  const rows = Float32Array.from({ length: 32 * 16 }, (_, i) => i % 3 === 0 ? -1e30 : 1e30);
  const before = rows.slice();
  const block = { firstChannel: 0, later: 8, offset: 0 };
  const rule = { ...settingsOf(2, 16, "f16"), arithmetic: "f16" as const };
  assertEquals(correctBlock(rows, 16, block, 8, new Float64Array(64), 3, rule, BOUNDS), false);
  assertEquals(rows, before);
});

Deno.test("kernels take blocks of 8 channels, and what is behind them, eight at a time", () => {
  const takes = (headDim: number, width: number) =>
    correctsInKernels(correctionBlocks(headDim, width), width);
  assertEquals([takes(64, 32), takes(64, 16), takes(64, 4), takes(80, 40), takes(60, 12)], [
    true,
    true,
    false,
    true,
    false,
  ]);
});

Deno.test("squat_group.wasm is what its source assembles to", async () => {
  const source = await Deno.readTextFile(new URL("squat_group.wat", FOLDER));
  const module = (await wabt()).parseWat("squat_group.wat", source, { simd: true });
  assertEquals(
    module.toBinary({}).buffer,
    await Deno.readFile(new URL("squat_group.wasm", FOLDER)),
  );
});
