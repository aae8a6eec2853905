/**
 * A model as the leaderboard runs it: opened once, its slices evaluated policy by policy.
 *
 * @module
 */
import { type Lab, type LabOptions, open, partsOf } from "../evaluation/lab.ts";
import type { SliceName } from "../benchmarks/slices.ts";
import { PolicyError } from "../policies/check.ts";
import type { PolicyHost } from "../policies/host.ts";
import { type BuiltinName, hostBuiltin } from "../policies/registry.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import type { Device } from "../engine/devices/open.ts";
import { type BroughtQuantizer, whyUnopened } from "../evaluation/brought_quantizer.ts";
import { misfitOf } from "../evaluation/misfit.ts";
import type { PolicyResult, SliceResult } from "../evaluation/results.ts";
import { BenchmarkError } from "../benchmarks/benchmark_error.ts";
import type { Cell, CellKey } from "./cell.ts";
import type { ReadyModel, ReadySlice } from "./fill.ts";
import { type Judged, judgedSlice } from "./judged.ts";
import { machineText } from "./project_facts.ts";
import { broughtHash, sourceHash } from "./source_hash.ts";

/** What every cell of a run shares. */
export interface ReadyOptions extends
  Pick<
    LabOptions,
    "cache" | "cacheLimit" | "calibrationData" | "calibrationTokens" | "threads"
  > {
  readonly device: Device;
  /** Examples of each slice; absent for all. */
  readonly limit?: number;
  readonly budgetBits: number;
  readonly seed: number;
  /** Version and commit of the project. */
  readonly version: string;
  readonly commit: string;
  /** Quantizers of the user's; absent for none. */
  readonly quantizers?: readonly BroughtQuantizer[];
  /** A sentence for stderr. */
  readonly notice?: (sentence: string) => void;
}

/**
 * Opens a model for the leaderboard.
 *
 * @param name `mini`, `mini-outlier`, a model folder or a model of the hub
 * @param judged what a name in the place of a slice's stands for; the embedded slices, unless given
 * @throws UserError for a folder that cannot be used, UserError when the device cannot be opened
 */
export async function openModel(
  name: string,
  options: ReadyOptions,
  judged: (slice: string) => Judged | Promise<Judged> = (slice) => judgedSlice(slice as SliceName),
): Promise<ReadyModel> {
  const lab = await openLab(name, options);
  return readyModel(lab, name, options, {
    judged,
    close: () => lab.close(),
  });
}

/** Opens a model to replay on. */
export async function openLab(name: string, options: ReadyOptions): Promise<Lab> {
  const { device, cache, cacheLimit, calibrationData, calibrationTokens, notice, threads } =
    options;
  return await open(name, {
    device,
    ...(cache === undefined ? {} : { cache }),
    ...(cacheLimit === undefined ? {} : { cacheLimit }),
    ...(calibrationData === undefined ? {} : { calibrationData }),
    ...(calibrationTokens === undefined ? {} : { calibrationTokens }),
    ...(notice === undefined ? {} : { notice }),
    ...(threads === undefined ? {} : { threads }),
  });
}

/**
 * A model that is open, for a leaderboard.
 *
 * @param judged what a name in the place of a slice's stands for
 * @param close called when the model's cells are filled
 */
export function readyModel(
  lab: Lab,
  name: string,
  options: ReadyOptions,
  { judged, close }: {
    judged(slice: string): Judged | Promise<Judged>;
    close(): Promise<void>;
  },
): ReadyModel {
  const { shape } = lab;
  const { families } = partsOf(lab);
  const { budgetBits } = options;
  return {
    fingerprint: lab.fingerprint,
    misfit: (policy) => {
      const brought = broughtAs(policy, options);
      return brought === undefined
        ? misfitOf(hostBuiltin(policy as BuiltinName), { shape, families, budgetBits })
        : whyUnopened(brought);
    },
    slice: async (slice, seed = options.seed) =>
      readySlice(lab, name, await judged(slice), { ...options, seed }),
    close,
  };
}

/** The quantizer of the user's that is reported under a name; undefined for a built-in. */
function broughtAs(name: string, { quantizers = [] }: ReadyOptions): BroughtQuantizer | undefined {
  return quantizers.find((brought) => brought.name === name);
}

function readySlice(
  lab: Lab,
  model: string,
  judged: Judged,
  options: ReadyOptions,
): ReadySlice {
  const { limit, budgetBits, seed, version } = options;
  const source = async (policy: string) => {
    const brought = broughtAs(policy, options);
    return brought === undefined
      ? await sourceHash(policy, version)
      : await broughtHash(await brought.hash(), version);
  };
  return {
    key: async (policy) => ({
      contract: CONTRACT_VERSION,
      model,
      model_hash: lab.fingerprint,
      slice: judged.name,
      slice_hash: await judged.hash(),
      policy,
      source_hash: await source(policy),
      engine: lab.device,
      budget_bits: budgetBits,
      max_new_tokens: judged.maxNewTokens,
      limit: limit ?? null,
      seed,
      calibration_set: (await partsOf(lab).calibration.facts()).sha256,
    }),
    run: async (key, signal) => {
      const started = Date.now();
      let ran: SliceResult;
      let size: number;
      // Each cell has processes of its own: nothing that one of them keeps outlives its cell.
      let host: PolicyHost | undefined;
      try {
        host = await broughtAs(key.policy, options)?.open();
        size = await judged.examples(lab);
        ran = await judged.replay(lab, host ?? key.policy as BuiltinName, {
          budgetBits,
          seed,
          ...(limit === undefined ? {} : { limit }),
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (error) {
        // Nothing of the slice fits this model; another slice may.
        if (error instanceof PolicyError || error instanceof BenchmarkError) {
          return { reason: error.message };
        }
        throw error;
      } finally {
        await host?.close();
      }
      const result = ran.results[0];
      if (result === undefined) return { reason: ran.failures[0]!.reason };
      const { origin, floor } = judged;
      return {
        ...cellOf(key, lab, result, options.commit, started),
        ...{ slice_examples: size, refused: ran.refused },
        ...(origin === undefined ? {} : { benchmark: { ...origin, floor: floor ?? 0 } }),
      };
    },
  };
}

function cellOf(
  key: CellKey,
  { hub, chatTemplate, gpuName }: Lab,
  result: PolicyResult,
  commit: string,
  started: number,
): Omit<Cell, "slice_examples" | "refused"> {
  return {
    key,
    model_hub: hub ?? null,
    chat_template: chatTemplate,
    numbers: result.numbers,
    examples: result.outcomes.map(({ reply: _, referenceReply: __, ...example }) => example),
    widths: result.widths,
    calibration: result.calibration,
    outside_budget: result.outsideBudget,
    claimed: result.claimed,
    ignored_hooks: result.ignoredHooks,
    deviations: result.deviations,
    environment: {
      started: started / 1000,
      seconds: (Date.now() - started) / 1000,
      machine: machineText(gpuName),
      deno: Deno.version.deno,
      commit,
    },
  };
}
