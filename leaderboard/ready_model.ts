/**
 * A model as the leaderboard runs it: opened once, its slices evaluated policy by policy.
 *
 * @module
 */
import { Evaluator } from "../evaluation/evaluator.ts";
import { loadSlice, type SliceName, slices } from "../benchmarks/slices.ts";
import { hostBuiltin, type PolicyName } from "../policies/registry.ts";
import { CONTRACT_VERSION } from "../policies/contract.ts";
import type { Device } from "../engine/devices/open.ts";
import type { PolicyResult } from "../evaluation/run.ts";
import type { Cell, CellKey } from "./cell.ts";
import type { ReadyModel, ReadySlice } from "./fill.ts";
import { machineText } from "./project_facts.ts";
import { sourceHash } from "./source_hash.ts";

/** What every cell of a run shares. */
export interface ReadyOptions {
  readonly device: Device;
  /** Examples of each slice; absent for all. */
  readonly limit?: number;
  readonly budgetBits: number;
  readonly seed: number;
  /** Folder for references and calibrations; absent keeps nothing. */
  readonly cacheFolder?: string;
  /** Version and commit of the project. */
  readonly version: string;
  readonly commit: string;
  /** A sentence for stderr. */
  readonly notice?: (sentence: string) => void;
}

/**
 * Opens a model for the leaderboard.
 *
 * @param name `mini`, `mini-outlier` or a model folder
 * @throws UserError for a folder that cannot be used, UserError when the device cannot be opened
 */
export async function openModel(name: string, options: ReadyOptions): Promise<ReadyModel> {
  const { device, cacheFolder, notice } = options;
  const evaluator = await Evaluator.create({
    model: name,
    device,
    ...(cacheFolder === undefined ? {} : { cacheFolder }),
    ...(notice === undefined ? {} : { notice }),
  });
  return {
    slice: (slice) => readySlice(evaluator, name, slice as SliceName, options),
    close: () => evaluator.close(),
  };
}

async function readySlice(
  evaluator: Evaluator,
  model: string,
  slice: SliceName,
  options: ReadyOptions,
): Promise<ReadySlice> {
  const { engine } = evaluator;
  const { limit, budgetBits, seed } = options;
  const { maxNewTokens, sha256 } = slices[slice];
  const examples = (await loadSlice(slice)).slice(0, limit);
  return {
    key: async (policy) => ({
      contract: CONTRACT_VERSION,
      model,
      model_hash: engine.fingerprint,
      slice,
      slice_hash: sha256,
      policy,
      source_hash: await sourceHash(policy, options.version),
      engine: engine.device,
      budget_bits: budgetBits,
      max_new_tokens: maxNewTokens,
      limit: limit ?? null,
      seed,
    }),
    run: async (key, signal) => {
      const started = Date.now();
      const host = hostBuiltin(key.policy as PolicyName);
      try {
        const { results, failures } = await evaluator.run(
          { name: slice, examples, maxNewTokens },
          {
            hosts: [host],
            budgetBits,
            seed,
            stepwise: false,
            ...(signal === undefined ? {} : { signal }),
          },
        );
        const result = results[0];
        if (result === undefined) return { reason: failures[0]!.reason };
        return cellOf(key, result, options.commit, started);
      } finally {
        await host.close();
      }
    },
  };
}

function cellOf(key: CellKey, result: PolicyResult, commit: string, started: number): Cell {
  return {
    key,
    numbers: result.numbers,
    examples: result.outcomes.map(({ id, dataset, depth, score, referenceScore, steps }) => ({
      id,
      dataset,
      ...(depth === undefined ? {} : { depth }),
      score,
      referenceScore,
      steps,
    })),
    widths: result.widths,
    ignored_hooks: result.ignoredHooks,
    deviations: result.deviations,
    environment: {
      started: started / 1000,
      seconds: (Date.now() - started) / 1000,
      machine: machineText(),
      deno: Deno.version.deno,
      commit,
    },
  };
}
