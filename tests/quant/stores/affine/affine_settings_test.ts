import { assertEquals, assertThrows } from "@std/assert";
import type { HookAnswers } from "../../../../quant/family.ts";
import { QuantizerError } from "../../../../quant/quantizer_error.ts";
import { builtInFamilies } from "../../../../quant/registry.ts";
import { defaultUniformGroup } from "../../../../quant/families/uniform/uniform.ts";
import type { AffineSettings } from "../../../../quant/stores/affine/affine_settings.ts";
import { answers } from "./affine_answers.ts";
import { AFFINE_FAMILIES } from "./affine_scenes.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";

const shape = { heads: 2, headDim: 64 };

function resolve(
  name: string,
  kind: "key" | "value",
  changes: Partial<HookAnswers>,
  at: { heads: number; headDim: number } = shape,
): AffineSettings {
  return settingsFor(AFFINE_FAMILIES[name]!, answers(kind, changes), at);
}

Deno.test("uniform groups 64 channels, or the largest divisor of the head below", () => {
  assertEquals(
    [64, 128, 256, 80, 96, 32].map(defaultUniformGroup),
    [64, 64, 64, 40, 48, 32],
  );
  assertEquals(resolve("uniform", "key", {}).groupSize, 64);
});

Deno.test("kivi and skvq default to the published groups", () => {
  assertEquals(resolve("kivi", "key", { axis: "channel" }).groupSize, 32);
  assertEquals(resolve("kivi", "value", {}).groupSize, 32);
  const skvq = resolve("skvq", "value", {});
  assertEquals([skvq.groupSize, skvq.sinkTokens, skvq.clipRatio], [128, 0, 1]);
  assertEquals([skvq.scaleFloor, skvq.paramDtype], [1e-5, "f16"]);
  assertEquals(resolve("skvq", "key", { options: { fp8_params: true } }).paramDtype, "fp8");
});

Deno.test("the residual length is rounded up to whole groups on the channel axis alone", () => {
  const channel = (residualLength: number) =>
    resolve("kivi", "key", { axis: "channel", residualLength }).residualLength;
  assertEquals([0, 1, 32, 33, 128].map(channel), [32, 32, 32, 64, 128]);
  assertEquals(resolve("kivi", "value", { residualLength: 33 }).residualLength, 33);
  const skvq = { axis: "channel" as const, groupSize: 64, residualLength: 65 };
  assertEquals(resolve("skvq", "key", skvq).residualLength, 128);
});

Deno.test("settings can be written as JSON", () => {
  for (const family of Object.values(AFFINE_FAMILIES)) {
    const settings = settingsFor(family, answers("key"), shape);
    assertEquals(JSON.parse(JSON.stringify(settings)), settings);
  }
});

const REFUSED: readonly {
  readonly family: string;
  readonly what: string;
  readonly kind?: "key" | "value";
  readonly changes: Partial<HookAnswers>;
  readonly shape?: { heads: number; headDim: number };
  readonly message: string;
}[] = [
  {
    family: "uniform",
    what: "the channel axis",
    changes: { axis: "channel" },
    message: 'choose_axis must be "token", not "channel"',
  },
  {
    family: "uniform",
    what: "a group that does not divide the head",
    changes: { groupSize: 48 },
    message: "a group of 48 does not divide the 64 channels of a head; " +
      "group_size must be a divisor of 64",
  },
  {
    family: "kivi",
    what: "a head smaller than the group",
    kind: "value",
    changes: {},
    shape: { heads: 2, headDim: 16 },
    message: "a group of 32 does not divide the 16 channels of a head",
  },
  {
    family: "kivi",
    what: "a group of 0",
    changes: { axis: "channel", groupSize: 0 },
    message: "group_size is 0; it must be an integer of at least 1",
  },
  {
    family: "kivi",
    what: "a fractional residual length",
    changes: { residualLength: 1.5 },
    message: "residual_length is 1.5; it must be an integer of at least 0",
  },
  {
    family: "kivi",
    what: "a negative sink",
    changes: { sinkTokens: -1 },
    message: "sink_tokens is -1; it must be an integer from 0 to 16777216",
  },
  {
    family: "kivi",
    what: "a clip ratio above 1",
    changes: { clipRatio: 1.1 },
    message: "clip_ratio is 1.1; it must be a number above 0 and up to 1",
  },
  {
    family: "kivi",
    what: "offline calibration",
    changes: { calibrationMode: "offline" },
    message: 'family "kivi" has nothing to calibrate; calibration_mode must be "none", ' +
      'not "offline"',
  },
  {
    family: "kivi",
    what: "a width it cannot store",
    changes: { bits: [4, 16] },
    message: 'Layer 0 keys, head 1: family "kivi" cannot store codes of 16 bits; ' +
      "use one of 1, 2, 3, 4, 5, 6, 7, 8",
  },
  {
    family: "kivi",
    what: "a width too many",
    changes: { bits: [4, 4, 4] },
    message: "3 code widths were given for 2 KV heads; give one width per head",
  },
  {
    family: "kivi",
    what: "an unknown option",
    changes: { options: { fp8_params: true } },
    message: 'family "kivi" has no option "fp8_params"; it has no options',
  },
  {
    family: "skvq",
    what: "an unknown option",
    changes: { options: { reordered: true } },
    message:
      'family "skvq" has no option "reordered"; it knows fp8_params, reorder, smoothing, pre_rope',
  },
  {
    family: "skvq",
    what: "an option of the wrong type",
    changes: { options: { fp8_params: "yes" } },
    message: 'option "fp8_params" is "yes"; it must be true or false',
  },
  {
    family: "skvq",
    what: "a group that does not divide a token",
    shape: { heads: 2, headDim: 80 },
    changes: {},
    message: "a group of 128 does not divide the 160 channels of all heads of a token",
  },
  {
    family: "skvq",
    what: "values on the channel axis",
    kind: "value",
    changes: { axis: "channel" },
    message: 'choose_axis must be "token", not "channel"',
  },
  {
    family: "skvq",
    what: "different widths in heads that share a group",
    changes: { bits: [2, 4] },
    message: "groups of 128 channels join the heads 0 to 1, which were given 2 and 4 bits; " +
      "give them equal widths or choose a group_size that divides 64",
  },
];

for (const { family, what, kind = "key", changes, shape: at, message } of REFUSED) {
  Deno.test(`${family} refuses ${what}`, () => {
    assertThrows(() => resolve(family, kind, changes, at), QuantizerError, message);
  });
}

Deno.test("skvq takes different widths in heads that share no group", () => {
  assertEquals(resolve("skvq", "key", { bits: [2, 4], groupSize: 64 }).bits, [2, 4]);
  const four = { heads: 4, headDim: 64 };
  assertEquals(resolve("skvq", "key", { bits: [2, 2, 4, 4] }, four).bits, [2, 2, 4, 4]);
});

Deno.test("an unknown family is an error that lists the known ones", () => {
  assertThrows(() => builtInFamilies.of("kiwi"), QuantizerError, "uniform, kivi, skvq");
  assertThrows(
    () => builtInFamilies.of("toString"),
    QuantizerError,
    'no quantizer family "toString"',
  );
});
