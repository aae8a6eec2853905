/**
 * What the registries hold, family by family and policy by policy, with the bits that each really
 * stores: measured on a store of random numbers, not computed from a formula.
 *
 * @module
 */
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { type PlannedStep, Planner } from "../policies/plan.ts";
import type { WorkloadMeta } from "../policies/policy.ts";
import { hostBuiltin, policyNames } from "../policies/registry.ts";
import type { Sensitivity } from "../quant/calibration.ts";
import { type Axis, type Family, KV_KINDS, type KvKind, type Settings } from "../quant/family.ts";
import { axesOf, takenHooks } from "../quant/declared.ts";
import { learn } from "../quant/learned.ts";
import { QuantizerError } from "../quant/quantizer_error.ts";
import { builtInFamilies } from "../quant/registry.ts";
import { settingsFor } from "../quant/settings_for.ts";
import { exact } from "../quant/families/exact/exact.ts";
import type { ModelShape } from "../engine/engine.ts";
import { plainRotary } from "../engine/rotary.ts";
import { calibrationStatistics } from "../calibration/calibration_statistics.ts";
import { cacheElements, entriesPerToken } from "../replay/metric.ts";
import { type Plan, QuantizedCache, storesBeside } from "../replay/quantize.ts";
import { budgetAt, modelMeta } from "../replay/question_at.ts";
import { Sources } from "../replay/snapshot.ts";
import { StatsSource } from "../replay/token_stats.ts";
import { type RandomCache, randomCache } from "./random_cache.ts";

/**
 * Cache that the bits are measured on: two heads of 64 channels, and as many layers as the embedded
 * model, since a policy may hold a table of its layers.
 */
const SHAPE: ModelShape = {
  layers: 8,
  hidden: 256,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 64,
  vocab: 1,
  maxPositions: 1024,
  rotary: plainRotary(64, 1e6),
};

/** Tokens of that cache. */
export const MEASURED_TOKENS = 512;

/** Budget that policies plan with. */
const BUDGET_BITS = 4;

/** Random numbers come from no model, so no layer is more sensitive than another. */
const alikeLayers = new Array<Sensitivity>(SHAPE.layers).fill({ key: 1, value: 1 });

/** One family at one code width, or one built-in policy. */
export interface RegistryRow {
  readonly what: "family" | "policy";
  readonly name: string;
  /** Families that are used; the reference uses none. */
  readonly families: readonly string[];
  /** Code widths that the family can store, or that the policy chose. */
  readonly widths: readonly number[];
  /** Stored bits per quantized element, parameters included; absent where nothing is quantized. */
  readonly bits?: number;
  /** Whether that depends on the data, since codes are entropy coded: it is that of random numbers. */
  readonly entropyCoded: boolean;
  /** Stored bits per element of the whole cache, exact tokens included, at `MEASURED_TOKENS`. */
  readonly cacheBits?: number;
  /** Axes: those a family accepts, or the one a policy uses. */
  readonly axis: Readonly<Record<KvKind, readonly Axis[]>>;
  /** Recent tokens that a policy wants exact; absent for a family, which is asked for a number. */
  readonly window?: number;
  /** Tokens that were exact at the start; for a family whether it can keep any. */
  readonly sinks: number | boolean;
  readonly calibration: "none" | "offline";
  /** Optional hooks that are used. */
  readonly hooks: readonly string[];
  /** Papers, repositories and commits. */
  readonly source: readonly string[];
  /** Why nothing could be measured here. */
  readonly refused?: string;
}

/**
 * Every family at each of `widths` that it can store, or at its narrowest where it can store none of
 * them, then every built-in policy.
 */
export async function registryRows(widths: readonly number[] = [2, 4]): Promise<RegistryRow[]> {
  const cache = randomCache(SHAPE, MEASURED_TOKENS);
  const rows: RegistryRow[] = [];
  for (const name of builtInFamilies.names) {
    const family = builtInFamilies.of(name);
    const stored = widths.filter((bits) => family.widths.includes(bits));
    for (const bits of stored.length === 0 ? family.widths.slice(0, 1) : stored) {
      rows.push(await familyRow(cache, family, bits));
    }
  }
  for (const name of policyNames) rows.push(await policyRow(cache, hostBuiltin(name)));
  return rows;
}

async function familyRow(cache: RandomCache, family: Family, bits: number): Promise<RegistryRow> {
  const { calibration = "never" } = family;
  const plan: Settings[] = [];
  for (let layer = 0; layer < SHAPE.layers; layer++) {
    for (const kind of KV_KINDS) {
      const settings = settingsFor(family, {
        layer,
        kind,
        bits: new Array<number>(SHAPE.kvHeads).fill(bits),
        axis: axesOf(family, kind)[0]!,
        residualLength: 0,
        calibrationMode: calibration === "always" || calibration === "either" ? "offline" : "none",
      }, { heads: SHAPE.kvHeads, headDim: SHAPE.headDim });
      plan.push(learned(cache, settings));
    }
  }
  return {
    what: "family",
    name: family.name,
    families: [family.name],
    widths: [bits],
    entropyCoded: family.entropyCoded === true,
    ...await measure(cache, plan),
    axis: { key: axesOf(family, "key"), value: axesOf(family, "value") },
    sinks: family.hooks?.sink_tokens !== undefined,
    calibration: plan.some((s) => s.calibrated) ? "offline" : "none",
    hooks: takenHooks(family),
    source: [family.source],
  };
}

async function policyRow(cache: RandomCache, host: PolicyHost): Promise<RegistryRow> {
  const shown = { what: "policy", name: host.name } as const;
  try {
    const { plan, asked, window, mode } = await planOf(cache, host);
    const used = [...new Set(plan.map(({ family }) => family))].filter((name) =>
      name !== exact.name
    );
    const measured = await measure(cache, plan);
    return {
      ...shown,
      families: used,
      widths: [...new Set(plan.flatMap(({ bits }) => bits))].sort((a, b) => a - b),
      entropyCoded: used.some((name) => builtInFamilies.of(name).entropyCoded === true),
      ...measured,
      window,
      axis: used.length === 0 ? { key: [], value: [] } : asked,
      calibration: mode,
      hooks: host.hooks.filter((hook) =>
        hook === "quantizer_family" ||
        used.some((name) => takenHooks(builtInFamilies.of(name)).includes(hook))
      ),
      source: used.map((name) => builtInFamilies.of(name).source),
    };
  } catch (error) {
    if (!(error instanceof PolicyError || error instanceof QuantizerError)) throw error;
    return {
      ...shown,
      families: [],
      widths: [],
      entropyCoded: false,
      axis: { key: [], value: [] },
      sinks: 0,
      calibration: "none",
      hooks: host.hooks,
      source: [],
      refused: error.message,
    };
  }
}

/** The plan of a policy for the random cache, and the axes and the window it asked for. */
async function planOf(cache: RandomCache, host: PolicyHost) {
  const { layers, kvHeads, headDim } = SHAPE;
  const workload: WorkloadMeta = {
    slice: "families",
    examples: 1,
    mean_prompt_tokens: MEASURED_TOKENS,
    max_prompt_tokens: MEASURED_TOKENS,
    model: modelMeta(SHAPE),
  };
  const budget = budgetAt(SHAPE, BUDGET_BITS);
  const mode = await host.calibrationMode(workload, budget);
  const alike = new Map(builtInFamilies.names.map((name) => [name, alikeLayers]));
  const lesson = mode === "offline" && host.calibrates
    ? await host.calibrate(await calibrationStatistics(cache.samples, builtInFamilies, alike))
    : undefined;
  const planner = new Planner(
    host,
    { heads: kvHeads, headDim, layers },
    {
      families: builtInFamilies,
      budgetBits: BUDGET_BITS,
      calibrationMode: mode,
      ...(lesson === undefined ? {} : { lesson }),
    },
    (settings) => Promise.resolve(learned(cache, settings).calibration!),
  );
  const stats = new StatsSource(cache.engine, cache.reference);
  const asked: Record<KvKind, Axis[]> = { key: [], value: [] };
  const question = {
    budget,
    request: {
      slice: workload.slice,
      dataset: workload.slice,
      prompt_tokens: MEASURED_TOKENS,
      cache_tokens: MEASURED_TOKENS,
      max_new_tokens: 1,
    },
    stats: (layer: number, kind: KvKind, head: number) =>
      stats.at(layer, kind, head, MEASURED_TOKENS),
  };
  const { plan }: PlannedStep = await planner.plan(question, () => stats.load(true));
  let window = 0;
  for (const raw of await host.plan(question)) {
    window = Math.max(window, raw.residual as number);
    const axis = raw.axis as Axis;
    if (!asked[raw.kind].includes(axis)) asked[raw.kind].push(axis);
  }
  return { plan, asked, window, mode };
}

/** Settings with what their family learns from the random cache, where they ask for it. */
function learned(cache: RandomCache, settings: Settings): Settings {
  if (settings.calibrated !== true) return settings;
  return {
    ...settings,
    calibration: learn(builtInFamilies.of(settings.family), cache.samples, settings),
  };
}

/** Quantizes the random cache and counts what lies in the stores' buffers. */
async function measure(cache: RandomCache, plan: Plan) {
  const sources = new Sources(cache.reference, { preRope: true, queries: true }, cache.rope);
  const stores = new QuantizedCache(
    sources,
    storesBeside(cache.engine, builtInFamilies),
    SHAPE.layers,
    MEASURED_TOKENS,
  );
  try {
    stores.grow(plan, MEASURED_TOKENS);
    await stores.settle();
    const ranges = stores.ranges();
    const perToken = entriesPerToken({ heads: SHAPE.kvHeads, headDim: SHAPE.headDim });
    let stored = 0, quantized = 0, bytes = 0;
    for (const [i, range] of ranges.entries()) {
      stored += stores.buffers(i, MEASURED_TOKENS).reduce((sum, b) => sum + b.bytes, 0);
      quantized += (range.to - range.from) * perToken;
      bytes += stores.bytes(i, MEASURED_TOKENS, range, perToken);
    }
    return {
      ...(quantized === 0 ? {} : { bits: 8 * stored / quantized }),
      cacheBits: 8 * bytes / cacheElements(SHAPE, MEASURED_TOKENS),
      sinks: Math.max(...ranges.map((range) => range.from)),
    };
  } finally {
    stores.free();
  }
}
