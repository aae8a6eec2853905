/**
 * The manifest: everything needed to say where a leaderboard's numbers come from and to make them
 * again.
 *
 * @module
 */
import { CHAT_DATE } from "../engine/checkpoint/chat_date.ts";
import type { CalibrationSetFacts } from "../calibration/calibration_file.ts";
import { INTERVAL_METHOD } from "../stats/interval.ts";
import { VOLATILE } from "../report/volatile.ts";
import { type Made, manifestDate, type Provenance } from "../report/manifest.ts";
import type { Cell } from "./cell.ts";
import type { Board, Misfit, RefusedExample } from "./board.ts";

/** What `manifest.json` holds; what has to be run to make it again, where one command does. */
export interface Manifest extends Omit<Provenance, keyof Made>, Partial<Made> {
  readonly engine: {
    readonly device: string;
    /** Machines the cells were run on. */
    readonly machines: readonly string[];
  };
  readonly models: readonly {
    readonly name: string;
    readonly hash: string;
    /** Repository and commit of a model of the hub; null for any other. */
    readonly hub: { readonly name: string; readonly commit: string } | null;
    /** Whether prompts went through its chat template; a base model has none. */
    readonly chat_template: boolean;
    /** What its policies learned from; none where nothing was learned. */
    readonly calibration: readonly CalibrationSetFacts[];
  }[];
  readonly slices: readonly {
    readonly name: string;
    readonly sha256: string;
    /** Examples that it holds. */
    readonly examples: number;
    readonly max_new_tokens: number;
    /** Where rows and wording came from, of a benchmark made of them. */
    readonly benchmark?: Cell["benchmark"];
  }[];
  /** Examples that were asked for and left out on a model, each with its one sentence. */
  readonly refused: readonly RefusedExample[];
  readonly policies: readonly { readonly name: string; readonly sha256: string }[];
  readonly budget_bits: number;
  /** Examples asked for of each slice; null for all. */
  readonly limit: number | null;
  readonly seed: number;
  /** Day that chat templates were told. */
  readonly chat_date: string;
  readonly statistics: {
    readonly baseline: string;
    readonly resamples: number;
    readonly interval: string;
  };
  /** Commits of the project the cells were run at; more than one after a resumed run. */
  readonly cell_commits: readonly string[];
  readonly cells: {
    readonly finished: number;
    readonly reused: number;
    readonly failed: readonly {
      readonly model: string;
      readonly slice: string;
      readonly policy: string;
      readonly reason: string;
    }[];
    /** Policies that were passed over on a model, since they do not apply to it. */
    readonly not_applicable: readonly Misfit[];
  };
  /** Slices that not all models ran the same examples of: how many each ran. */
  readonly different_examples: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** ISO 8601, UTC. */
  readonly started: string;
  readonly finished: string;
}

/** What the board itself does not know. */
export interface RunFacts {
  readonly version: string;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  /** What makes the board again. */
  readonly made?: Made;
  /** Cells that were finished by an earlier run. */
  readonly reused: number;
  readonly started: Date;
  readonly finished: Date;
}

/** The manifest of a board with at least one cell. */
export function manifestOf(board: Board, facts: RunFacts): Manifest {
  const { cells } = board;
  const first = cells[0]!.key;
  const distinct = (values: readonly string[]) => [...new Set(values)];
  const cellOf = (field: "model" | "slice" | "policy", name: string) =>
    cells.find((c) => c.key[field] === name)!;
  return {
    project: { name: "kvreplay", version: facts.version, commit: facts.commit },
    contract: first.contract,
    ...facts.made,
    engine: { device: first.engine, machines: distinct(cells.map((c) => c.environment.machine)) },
    models: board.models.map((name) => {
      const { key, model_hub: hub, chat_template } = cellOf("model", name);
      const sets = cells.filter((c) => c.key.model === name).flatMap((c) => c.calibration);
      const calibration = [...new Map(sets.map((set) => [set.sha256, set])).values()];
      return { name, hash: key.model_hash, hub, chat_template, calibration };
    }),
    slices: board.slices.map((name) => {
      const { key, slice_examples, benchmark } = cellOf("slice", name);
      return {
        name,
        sha256: key.slice_hash,
        examples: slice_examples,
        max_new_tokens: key.max_new_tokens,
        ...(benchmark === undefined ? {} : { benchmark }),
      };
    }),
    refused: board.refused,
    policies: board.policies.map((name) => ({
      name,
      sha256: cellOf("policy", name).key.source_hash,
    })),
    budget_bits: first.budget_bits,
    limit: first.limit,
    seed: board.seed,
    chat_date: CHAT_DATE,
    statistics: {
      baseline: board.baseline,
      resamples: board.resamples,
      interval: INTERVAL_METHOD,
    },
    versions: facts.versions,
    volatile: VOLATILE,
    cell_commits: distinct(cells.map((c) => c.environment.commit)),
    cells: {
      finished: cells.length,
      reused: facts.reused,
      failed: board.failures,
      not_applicable: board.misfits,
    },
    different_examples: differentExamples(board),
    started: manifestDate(facts.started),
    finished: manifestDate(facts.finished),
  };
}

/** How many examples each model ran, of slices that not all ran the same of. */
export function differentExamples(board: Board): Record<string, Record<string, number>> {
  return Object.fromEntries(
    board.unevenSlices.map(({ slice, ran }) => [slice, Object.fromEntries(ran)]),
  );
}
