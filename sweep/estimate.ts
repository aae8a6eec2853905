/**
 * What cells will take, told before anything is run: from the sizes of the model, the length of the
 * prompts and what a family's quantizer costs beside others.
 *
 * Seconds are those of two cores; what is the same for every machine is how they compare, which is
 * all that shards go by. A plan scales them by what finished cells took.
 *
 * @module
 */
import { loadCalibrationData } from "../calibration/calibration_data.ts";
import { DEFAULT_CALIBRATION_TOKENS } from "../calibration/chosen_texts.ts";
import { LEAST_MAPPED } from "../engine/devices/cpu.ts";
import { loadBytes } from "../engine/devices/expected_load.ts";
import { type ModelOutline, outlineModel } from "../engine/checkpoint/model.ts";
import { findModel } from "../engine/checkpoint/resolve.ts";
import { REFERENCE } from "../leaderboard/board.ts";
import type { Extent } from "../leaderboard/judged.ts";
import { nameAndGroup } from "../policies/group_size.ts";
import {
  type BuiltinName,
  familiesOf,
  hostBuiltin,
  type PolicyName,
} from "../policies/registry.ts";
import { benchmarkName } from "./benchmark_entry.ts";
import type { SweepCell, SweepDefinition } from "./definition.ts";
import type { OpenBenchmarks } from "./open_benchmarks.ts";

/** What something is expected to take. */
export interface Estimate {
  readonly seconds: number;
  /** Memory at the worst moment. */
  readonly bytes: number;
}

/** Multiplications and additions a second of a prefill, and values of a cache that a step looks at. */
const FLOPS = 1.2e11;
const VALUES = 9e7;

/** Those of attention over a long prompt, which waits for memory. */
const ATTENTION_FLOPS = 1e11;

/** Seconds until a process has a model, and those for each gigabyte of its weights. */
const START_S = 1;
const GIGABYTE_S = 5;

/** What families cost beside the cheapest ones. Measured on `mini`, 2 cores; absent is 1. */
const FAMILY_COSTS: Readonly<Record<string, number>> = {
  adaptive: 9,
  hf_hqq: 4,
  ort_webgpu: 3,
  qaq: 2,
  sglang_fp4: 2,
  squat: 3,
};

/** Copies of a cache in float32 that a replay has in memory at once. */
const CACHE_COPIES = 8;

/** A benchmark, as far as its cost depends on it. */
interface Work extends Extent {
  readonly maxNewTokens: number;
}

/** The same with a model. */
interface Replayed {
  /** Tokens of all prompts, and of the longest. */
  readonly tokens: number;
  readonly longest: number;
  /** Tokens, each with every one before it. */
  readonly pairs: number;
  /** Of all examples. */
  readonly steps: number;
  readonly maxNewTokens: number;
}

/** Estimates of a sweep's cells. */
export class Estimates {
  private constructor(
    private readonly sweep: SweepDefinition,
    private readonly models: ReadonlyMap<string, ModelOutline>,
    private readonly work: ReadonlyMap<string, Work>,
  ) {}

  /**
   * Looks at models and benchmarks; no weight is read.
   *
   * @throws {UserError} for a model that is not there, and for a benchmark or texts to learn from that
   *   cannot be read
   */
  static async of(sweep: SweepDefinition, opened: OpenBenchmarks): Promise<Estimates> {
    const { models, benchmarks, limit, calibration_data: texts } = sweep;
    if (texts !== null) await loadCalibrationData(texts);
    const outlines = new Map<string, ModelOutline>();
    for (const model of models) {
      outlines.set(model, await outlineModel((await findModel(model)).path));
    }
    const work = new Map<string, Work>();
    for (const name of benchmarks.map(benchmarkName)) {
      const { maxNewTokens, ...judged } = await opened.get(name);
      work.set(name, { maxNewTokens, ...await judged.extent(limit ?? undefined) });
    }
    return new Estimates(sweep, outlines, work);
  }

  /** One cell on a model that is open, with references that are kept. */
  cell({ model, benchmark, policy }: SweepCell): Estimate {
    const { shape } = this.models.get(model)!;
    const { tokens, longest, steps, maxNewTokens } = this.#replayed(model, benchmark);
    const perToken = 2 * shape.layers * shape.kvHeads * shape.headDim;
    const seconds = this.#flops(model, steps) / FLOPS +
      costOf(policy) * tokens * perToken / VALUES;
    const cached = CACHE_COPIES * (longest + maxNewTokens) +
      (hostBuiltin(policy).calibrates
        ? this.sweep.calibration_tokens ?? DEFAULT_CALIBRATION_TOKENS
        : 0);
    return { seconds, bytes: this.load(model).bytes + 4 * perToken * cached };
  }

  /** The full-precision run of a benchmark, which all policies share. */
  reference(model: string, benchmark: string): number {
    const { shape } = this.models.get(model)!;
    const { tokens, pairs, steps } = this.#replayed(model, benchmark);
    const perPair = 4 * shape.layers * shape.queryHeads * shape.headDim;
    return this.#flops(model, tokens + steps) / FLOPS + perPair * pairs / ATTENTION_FLOPS;
  }

  /** Opening a model. */
  load(model: string): Estimate {
    const { size } = this.models.get(model)!;
    const { device } = this.sweep;
    const bytes = 4 * size.parameters;
    const into = device === "wasm" || device === "webgpu" || device === "webgpu-onnx"
      ? device
      : bytes < LEAST_MAPPED
      ? "cpu"
      : "cpu, mapped";
    return { seconds: START_S + bytes / 1e9 * GIGABYTE_S, bytes: loadBytes(size, into) };
  }

  /** What has more tokens than the model has positions is cut, or left out. */
  #replayed(model: string, benchmark: string): Replayed {
    const { maxPositions } = this.models.get(model)!.shape;
    const { lengths: all, steps, maxNewTokens } = this.work.get(benchmark)!;
    const lengths = all.map((length) => Math.min(length, maxPositions));
    return {
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      pairs: lengths.reduce((sum, length) => sum + length ** 2 / 2, 0),
      longest: lengths.reduce((longest, length) => Math.max(longest, length), 0),
      steps: lengths.length * steps,
      maxNewTokens,
    };
  }

  /** An embedding is looked up; as an output head it is multiplied with once a prompt. */
  #flops(model: string, tokens: number): number {
    const { parameters, tied } = this.models.get(model)!.size;
    return 2 * (parameters - tied) * tokens;
  }
}

function costOf(policy: BuiltinName): number {
  if (policy === REFERENCE) return 1;
  const { name } = nameAndGroup(policy);
  const named = [name.startsWith("adaptive") ? "adaptive" : "", ...familiesOf(name as PolicyName)];
  return Math.max(1, ...named.map((family) => FAMILY_COSTS[family] ?? 1));
}
