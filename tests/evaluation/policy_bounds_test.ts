/** Policies that would make the evaluator work or remember without end fail, and alone. */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { runSlice } from "../../evaluation/slice_run.ts";
import { hostBuiltin } from "../../policies/registry.ts";
import { SandboxHost } from "../../policies/guest/sandbox_host.ts";
import type { SandboxLimits } from "../../sandbox/limits.ts";
import { numbersOf, tinyCalibrator, tinyRun, tinySlice } from "../sandbox/tiny_run.ts";

/** The built-in that runs beside. */
const BESIDE = "uniform_quant_4bit";

const METHODS = `
  choose_bits: () => 2,
  choose_axis: (layer, kind) => kind === "key" ? "channel" : "token",
  residual_length: () => 0,`;

async function beside(methods: string, limits: Partial<SandboxLimits> = {}) {
  const text = `export default { ${METHODS} ${methods} };`;
  await using host = await SandboxHost.open({ name: "greedy", text, language: "js" }, { limits });
  const calibrator = tinyCalibrator();
  const result = await runSlice({
    ...tinySlice([host, hostBuiltin(BESIDE)]),
    calibration: calibrator,
  });
  const learned = (await calibrator.export()).entries.length;
  return { result, learned, reason: result.failures[0]?.reason };
}

const alone = await tinyRun([hostBuiltin(BESIDE)]);

/** Settings that are others at every step, for each family that learns offline. */
const CALIBRATING: Readonly<Record<string, string>> = {
  kvquant: `outliers_ratio: (layer, kind, { cache_tokens }) => cache_tokens / 1e5,
    quantizer_family: () => "kvquant",`,
  transform: `choose_axis: () => "token", quantizer_family: () => "transform",
    family_options: (layer, kind, { cache_tokens }) => ({
      steps: new Array(128).fill("absent").fill("exact", 0, cache_tokens % 8),
    }),`,
  skvq: `choose_axis: () => "token", quantizer_family: () => "skvq", group_size: () => 32,
    clip_ratio: (layer, kind, { cache_tokens }) => 1 - cache_tokens / 1e5,
    family_options: () => ({ reorder: true }),`,
};

for (const [family, methods] of Object.entries(CALIBRATING)) {
  Deno.test(`${family}: settings that are others at every step are learned for as often as may be`, async () => {
    const offline = `${methods} calibration_mode: () => "offline",`;
    const { result, learned, reason } = await beside(offline, { calibrations: 2 });
    assertMatch(
      reason ?? "",
      new RegExp(
        `^Policy greedy: rejected: Layer 0 keys: family "${family}" has learned offline for 2 different settings`,
      ),
    );
    // Two for each of the layers and kinds, of which there are four.
    assertLess(learned, 2 * 4 + 1);
    assertEquals(numbersOf(result, BESIDE), numbersOf(alone, BESIDE));
  });
}

Deno.test("settings that are the same again are learned for once", async () => {
  const { result, learned } = await beside(
    `quantizer_family: () => "kvquant", calibration_mode: () => "offline",
    outliers_ratio: (layer, kind, { cache_tokens }) => cache_tokens % 2 ? 0.01 : 0.02,`,
    { calibrations: 2 },
  );
  assertEquals([result.failures, learned], [[], 2 * 4]);
});

/** Work that nothing but its time bounds: tables, corrections and stores that are others every step. */
const WORKING: Readonly<Record<string, string>> = {
  "seeds of rotations": `quantizer_family: () => "turboquant", choose_axis: () => "token",
    family_options: (layer, kind, { cache_tokens }) => ({ seed: cache_tokens, variant: "prod" }),`,
  "corrections by queries": `quantizer_family: () => "squat",
    family_options: (layer, kind, { cache_tokens }) =>
      kind === "key" ? { lambda: cache_tokens / 1e4 } : {},`,
  families: `choose_axis: () => "token",
    quantizer_family: (layer, kind, { cache_tokens }) =>
      ["uniform", "qaq", "turboquant", "hf_quanto", "hf_hqq"][cache_tokens % 5],`,
};

for (const [what, methods] of Object.entries(WORKING)) {
  Deno.test(`${what} that are others at every step end when their time is up`, async () => {
    const online = `${methods} calibration_mode: () => "none",`;
    const { result } = await beside(online);
    assertEquals(result.failures, []);
    const short = await beside(online, { workMs: 1 });
    assertMatch(
      short.reason ?? "",
      /^Policy greedy: rejected: Its steps have taken the evaluator more than 0\.001 s in one run/,
    );
    assert(numbersOf(result, "greedy")["steps"]! > 0);
    assertEquals(numbersOf(short.result, BESIDE), numbersOf(alone, BESIDE));
  });
}
