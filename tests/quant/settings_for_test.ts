/** What families declare: checked, filled in, and found again by the audit. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { axesOf, takenHooks } from "../../quant/declared.ts";
import type { Family, HookAnswers, KvKind } from "../../quant/family.ts";
import { answerName, hookNames, hooks, type OptionalHook } from "../../quant/hooks.ts";
import { fits } from "../../quant/answer_type.ts";
import { notApplied } from "../../quant/not_applied.ts";
import { QuantizerError } from "../../quant/quantizer_error.ts";
import { builtInFamilies } from "../../quant/registry.ts";
import { settingsFor } from "../../quant/settings_for.ts";
import { tiny } from "./tiny_family.ts";

const SHAPE = { heads: 2, headDim: 64 };
const FAMILIES: readonly Family[] = [
  ...builtInFamilies.names.map((name) => builtInFamilies.of(name)),
  tiny,
];

/** Answers that are no family's default. */
const OTHER: Readonly<Record<OptionalHook, unknown>> = {
  quantizer_family: "uniform",
  group_size: 16,
  sink_tokens: 3,
  clip_ratio: 0.9,
  quantization_level: "layer",
  quantization_method: "normal",
  symmetric: true,
  outliers_ratio: 0.05,
  use_attentions: true,
  last_n_attentions: 3,
  target_quantization_error: 5,
  q_norm: 100,
  bit_range: [1, 3],
  family_options: {},
};

/** The same for options, and what each needs beside it. */
const OTHER_OPTIONS: Readonly<
  Record<string, readonly [value: unknown, beside?: Partial<HookAnswers>]>
> = {
  "skvq fp8_params": [true],
  "skvq reorder": [true, { axis: "token", calibrationMode: "offline" }],
  "skvq smoothing": [true, { axis: "token", calibrationMode: "offline" }],
  "skvq pre_rope": [true],
  "kvquant round_zero": [true, { quantizationMethod: "uniform" }],
  "kvquant q_norm": [true],
  "kvquant pre_rope": [false],
  "kvtc compression": [20],
  "kvtc layers": [7],
  "aquakv first_layer_bits": [16],
  "aquakv hadamard_size": [16],
  "nova value_clip": [0.8],
  "hf_quanto quanto_axis": [-1, { axis: "channel" }],
  "hf_hqq hqq_axis": [0, { axis: "channel" }],
  "hf_hqq optimize": [false],
  "squat subspace_dim": [7],
  "squat lambda": [0.5],
  "squat quant_group_size": [16],
  "squat query_rope": ["before"],
  "squat key_rope": ["before"],
  "turboquant variant": ["prod"],
  "turboquant rotation": ["hadamard"],
  "turboquant seed": [9],
  "transform steps": [new Array(128).fill("exact")],
  "transform most_bits": [1.5],
  "ggml type": ["q4_1"],
  "ggml rotate": [false],
  "fp8 format": ["e5m2", { calibrationMode: "none" }],
  "fp8 scale": ["head", { calibrationMode: "offline" }],
  "int_token_head parameters": ["f16"],
  "nvfp4 levels": [2, { calibrationMode: "offline" }],
  "mxfp4 exponent": ["ceil"],
  "mxfp8 format": ["e5m2"],
  "mlx start": [100],
  "mlx parameters": ["bf16"],
  "tiny reach": [2],
};

function answersFor(family: Family, kind: KvKind, beside: Partial<HookAnswers> = {}): HookAnswers {
  const { calibration = "never" } = family;
  return {
    layer: 1,
    kind,
    bits: family.widths.includes(4) ? [4, 4] : [family.widths[0]!, family.widths[0]!],
    axis: axesOf(family, kind)[0]!,
    residualLength: 33,
    calibrationMode: calibration === "always" || calibration === "either" ? "offline" : "none",
    ...beside,
  };
}

for (const family of FAMILIES) {
  for (const kind of ["key", "value"] as const) {
    Deno.test(`${family.name}: every hook for ${kind}s reaches the settings, and a lost one is noticed`, () => {
      const silent = answersFor(family, kind);
      const usual = settingsFor(family, silent, SHAPE);
      assertEquals(notApplied(family, silent, usual), []);
      for (const hook of takenHooks(family)) {
        const name = answerName(hook);
        if (hook === "family_options" || name === undefined) continue;
        // Some have no zero points unless they are told to have them; turboquant codes whole heads.
        const asked = hook === "symmetric"
          ? !["kvtuner", "int_token_head"].includes(family.name)
          : hook === "group_size" && family.name === "turboquant"
          ? -1
          : hook === "group_size" && family.name === "mlx"
          ? 32
          : OTHER[hook];
        assert(fits(hooks[hook].value, asked), hook);
        const given = { ...silent, [name]: asked };
        assertEquals(notApplied(family, given, settingsFor(family, given, SHAPE)), [], hook);
        const lost = notApplied(family, given, usual);
        if (asked === -1) assertEquals(lost, []);
        else assert(lost.length === 1 && lost[0]!.startsWith(`${hook} asked for `), `${lost}`);
      }
    });

    Deno.test(`${family.name}: every option for ${kind}s reaches the settings, and a lost one is noticed`, () => {
      for (const [name, { keysOnly }] of Object.entries(family.options ?? {})) {
        const [value, beside] = OTHER_OPTIONS[`${family.name} ${name}`]!;
        const given = answersFor(family, kind, { ...beside, options: { [name]: value } });
        assertEquals(notApplied(family, given, settingsFor(family, given, SHAPE)), [], name);
        const opening = family.options![name]!.axes !== undefined;
        const without = answersFor(
          family,
          kind,
          opening ? {} : {
            ...beside,
            // Offline only where the option is what is calibrated.
            ...(Array.isArray(family.calibration) || beside?.calibrationMode === "offline"
              ? { calibrationMode: "none" }
              : {}),
          },
        );
        const lost = notApplied(family, given, settingsFor(family, without, SHAPE));
        if (keysOnly && kind === "value") assertEquals(lost, [], name);
        else assert(lost.some((clause) => clause.startsWith(`family option ${name} `)), `${lost}`);
      }
    });
  }
}

Deno.test("what a family declares not to take does not reach it", () => {
  let seen: unknown;
  const watching: Family = {
    ...tiny,
    resolve(answers, shape) {
      seen = answers;
      return tiny.resolve(answers as Parameters<typeof tiny.resolve>[0], shape);
    },
  };
  const given = {
    ...answersFor(tiny, "key"),
    groupSize: 16,
    clipRatio: 0.5,
    lesson: { reach: [1, 2] },
    seed: 7,
  };
  settingsFor(watching, given, SHAPE);
  const { groupSize: _g, clipRatio: _c, ...taken } = given;
  assertEquals(seen, { ...taken, sinkTokens: 2, options: {} });
  settingsFor({ ...watching, takesLesson: false }, given, SHAPE);
  const { lesson: _l, ...untaught } = taken;
  assertEquals(seen, { ...untaught, sinkTokens: 2, options: {} });
});

Deno.test("a family need not declare anything", () => {
  const { hooks: _h, options: _o, calibration: _c, takesLesson: _t, ...bare } = tiny;
  const plain: Family = {
    ...bare,
    resolve: ({ layer, kind, bits, residualLength }) => ({
      family: "plain",
      layer,
      kind,
      bits,
      paramDtype: "f16",
      residualLength,
    }),
  };
  assertEquals(takenHooks(plain), []);
  assertEquals([axesOf(plain, "key"), axesOf(plain, "value")], [
    ["channel", "token"],
    ["token", "channel"],
  ]);
  const given = { ...answersFor(plain, "value"), axis: "channel" as const };
  assertEquals(notApplied(plain, given, settingsFor(plain, given, SHAPE)), []);
  for (
    const [changes, message] of [
      [{ calibrationMode: "offline" }, "has nothing to calibrate"],
      [{ options: { reach: 1 } }, 'has no option "reach"; it has no options'],
      [{ bits: [4, 3] }, "cannot store codes of 3 bits; use one of 4"],
      [{ residualLength: -1 }, "residual_length is -1"],
    ] as const
  ) {
    const refused = { ...given, ...changes } as HookAnswers;
    assertThrows(() => settingsFor(plain, refused, SHAPE), QuantizerError, message);
  }
});

Deno.test("what is out of the bounds that a family declares is refused with the bounds", () => {
  for (
    const [changes, message] of [
      [{ options: { reach: 0 } }, 'option "reach" is 0; it must be a finite number above 0'],
      [{ options: { reach: NaN } }, 'option "reach" is NaN; it must be a finite number above 0'],
      [{ options: { reach: "2" } }, 'option "reach" is "2"; it must be a finite number above 0'],
      [{ options: { reich: 2 } }, 'has no option "reich"; it knows reach'],
      [{ sinkTokens: 0.5 }, "sink_tokens is 0.5; it must be an integer from 0 to 16777216"],
    ] as const
  ) {
    const given = { ...answersFor(tiny, "key"), ...changes };
    assertThrows(() => settingsFor(tiny, given, SHAPE), QuantizerError, message);
  }
});

Deno.test("an axis that an option opens is taken with the option alone", () => {
  const hqq = builtInFamilies.of("hf_hqq");
  assertEquals(axesOf(hqq, "key"), ["token"]);
  assertThrows(
    () => settingsFor(hqq, answersFor(hqq, "key", { axis: "channel" }), SHAPE),
    QuantizerError,
    'choose_axis must be "token", not "channel", unless option "hqq_axis" asks for it',
  );
  settingsFor(hqq, answersFor(hqq, "key", { axis: "channel", options: { hqq_axis: 0 } }), SHAPE);
});

Deno.test("every default that is declared is one that the hook allows", () => {
  for (const family of FAMILIES) {
    for (const hook of hookNames) {
      const taken = family.hooks?.[hook];
      if (taken?.absent === undefined) continue;
      assert(fits(taken.value ?? hooks[hook].value, taken.absent), `${family.name} ${hook}`);
    }
    for (const [name, { value, absent }] of Object.entries(family.options ?? {})) {
      if (absent !== undefined) assert(fits(value, absent), `${family.name} ${name}`);
    }
  }
});
