/**
 * What a sweep is: models, benchmarks, policies and seeds, every one with every other, and what they
 * share.
 *
 * @module
 */
import { JSON_SCHEMA, load, YAMLException } from "js-yaml";
import { sliceNames } from "../benchmarks/slices.ts";
import { embeddedModels } from "../engine/checkpoint/resolve.ts";
import { type Device, devices } from "../engine/devices/open.ts";
import { sha256 } from "../engine/digest.ts";
import { UserError } from "../errors.ts";
import { MOST_BUDGET_BITS } from "../policies/check.ts";
import {
  type BuiltinName,
  enginePolicies,
  isBuiltinName,
  policyNames,
} from "../policies/registry.ts";
import { shown } from "../sandbox/shown.ts";
import { REFERENCE } from "../leaderboard/board.ts";
import { benchmarkName, type SweepBenchmark } from "./benchmark_entry.ts";
import { distinct, Fields, integer, listOf, oneOf, oneText, type Reader, texts } from "./fields.ts";
import { sweepBenchmarks } from "./sweep_benchmarks.ts";

/** A sweep, every absent field of its file filled in. Plain JSON. */
export interface SweepDefinition {
  /** Embedded models, paths of folders or GGUF files, or names on the hub. */
  readonly models: readonly string[];
  readonly benchmarks: readonly SweepBenchmark[];
  /** Full precision first. */
  readonly policies: readonly BuiltinName[];
  /** Those that fail where they do not apply; any other is passed over there. */
  readonly named: readonly BuiltinName[];
  readonly seeds: readonly number[];
  readonly device: Device;
  /** Examples of each benchmark, from the first; null for all. */
  readonly limit: number | null;
  readonly budget_bits: number;
  /** Policy that the others are compared with. */
  readonly baseline: BuiltinName;
  /** Resamples behind every interval. */
  readonly resamples: number;
  /** Texts to learn offline from; null for the embedded set. */
  readonly calibration_data: string | null;
  readonly calibration_tokens: number | null;
}

/** One cell of a sweep. */
export interface SweepCell {
  readonly model: string;
  /** Name of the benchmark. */
  readonly benchmark: string;
  readonly policy: BuiltinName;
  readonly seed: number;
}

/** Longest file that is read, in characters. */
const LONGEST = 1_000_000;

/** Cells that a sweep has at most: a list of them is still quickly gone through. */
const MOST_CELLS = 100_000;

/** What policies are compared with where it is among them. */
const BASELINE: BuiltinName = "kivi_overlap_4bit";

const SETS: Readonly<Record<string, readonly BuiltinName[]>> = {
  all: policyNames,
  engines: enginePolicies,
};

/**
 * Reads a sweep's file.
 *
 * @param text YAML, or JSON, which is YAML too
 * @param name of the file, for errors
 * @throws {UserError} naming the field, its value and what would be right
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cellsOf, parseSweep } from "./definition.ts";
 *
 * const sweep = parseSweep("models: mini\npolicies: [kivi_overlap_4bit]\nseeds: [0, 1]", "a.yaml");
 * assertEquals(sweep.policies, ["reference", "kivi_overlap_4bit"]);
 * assertEquals(cellsOf(sweep).length, 1 * 3 * 2 * 2);
 * ```
 */
export function parseSweep(text: string, name: string): SweepDefinition {
  return checkedSweep(mappingOf(text, name), name);
}

/**
 * The same of what was read from JSON, as a sweep's own records hold it.
 *
 * @throws {UserError} naming the field, its value and what would be right
 */
export function checkedSweep(given: Record<string, unknown>, name: string): SweepDefinition {
  const fields = new Fields(given, name);
  const take = fields.take.bind(fields);
  const models = take("models", texts, embeddedModels);
  const benchmarks = take("benchmarks", sweepBenchmarks, sliceNames);
  const asked = take("policies", texts, ["all"]);
  const policies = asked.flatMap((policy): readonly BuiltinName[] =>
    Object.hasOwn(SETS, policy) ? SETS[policy]! : [builtinName(policy, `${name}, policies`)]
  );
  const seeds = take("seeds", listOf(integer(0, 2 ** 32 - 1)), [0]);
  const sweep: SweepDefinition = {
    models,
    benchmarks,
    policies: distinct([REFERENCE, ...policies]),
    named: take(
      "named",
      someBuiltins,
      distinct(policies.filter((policy) => asked.includes(policy))),
    ),
    seeds,
    device: take("device", oneOf(devices), "auto"),
    limit: take("limit", integer(1), null),
    budget_bits: take("budget_bits", integer(1, MOST_BUDGET_BITS), 4),
    baseline: take("baseline", builtinName, usualBaseline(policies)),
    resamples: take("resamples", integer(100, 1_000_000), 10_000),
    calibration_data: take("calibration_data", oneText, null),
    calibration_tokens: take("calibration_tokens", integer(1), null),
  };
  fields.done("a sweep");
  if (!sweep.policies.includes(sweep.baseline)) {
    throw new UserError(
      `${name}, baseline: ${shown(sweep.baseline)} is not among the policies; expected one of ${
        sweep.policies.join(", ")
      }`,
    );
  }
  const count = models.length * benchmarks.length * sweep.policies.length * seeds.length;
  if (count > MOST_CELLS) {
    throw new UserError(`${name} has ${count} cells; a sweep has at most ${MOST_CELLS}`);
  }
  return sweep;
}

/** Every cell of a sweep, model by model, in the order in which one machine runs them. */
export function cellsOf({ models, benchmarks, policies, seeds }: SweepDefinition): SweepCell[] {
  return models.flatMap((model) =>
    seeds.flatMap((seed) =>
      benchmarks.map(benchmarkName).flatMap((benchmark) =>
        policies.map((policy) => ({ model, benchmark, policy, seed }))
      )
    )
  );
}

/** A cell in words. */
export function cellText({ model, benchmark, policy, seed }: SweepCell): string {
  return `${model} ${benchmark} ${policy} seed ${seed}`;
}

/** Equal for cells that share a model and its references; seeds do. */
export function groupOf({ model, benchmark }: SweepCell): string {
  return JSON.stringify([model, benchmark]);
}

/** Whether a value read from JSON names a cell. */
export function isCell(value: unknown): boolean {
  const { model, benchmark, policy, seed } = (value ?? {}) as Record<string, unknown>;
  return [model, benchmark, policy].every((name) => typeof name === "string") &&
    Number.isSafeInteger(seed);
}

/** The content address of a sweep: 16 hexadecimal digits over all that it says. */
export async function sweepId(sweep: SweepDefinition): Promise<string> {
  const fields = Object.entries(sweep).sort(([a], [b]) => a < b ? -1 : 1);
  return (await sha256(JSON.stringify(fields))).slice(0, 16);
}

function mappingOf(text: string, name: string): Record<string, unknown> {
  if (text.length > LONGEST) {
    throw new UserError(`${name} has ${text.length} characters; a sweep has at most ${LONGEST}`);
  }
  let value: unknown;
  try {
    value = load(text, { schema: JSON_SCHEMA, maxAliases: 0 });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const line = error.mark === undefined ? "" : ` in line ${error.mark.line + 1}`;
    throw new UserError(`${name} is neither YAML nor JSON: ${error.reason}${line}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new UserError(
    `${name} holds ${shown(value)}; expected a mapping, such as "models: [mini]"`,
  );
}

const builtinName: Reader<BuiltinName> = (value, where) => {
  if (typeof value === "string" && isBuiltinName(value)) return value;
  throw new UserError(
    `${where}: is ${shown(value)}; expected all, engines, or ${policyNames.join(", ")}`,
  );
};

const someBuiltins: Reader<readonly BuiltinName[]> = (value, where) =>
  Array.isArray(value) && value.length === 0 ? [] : listOf(builtinName)(value, where);

function usualBaseline(policies: readonly BuiltinName[]): BuiltinName {
  return [BASELINE, ...policies].find((policy) =>
    policies.includes(policy) && policy !== REFERENCE
  ) ?? REFERENCE;
}
