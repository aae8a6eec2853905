/**
 * The whole leaderboard in memory: finished cells by model, slice and policy, and what the report
 * and the result files are made from.
 *
 * @module
 */
import { drawPolicy, type PolicyDraws } from "../stats/compare.ts";
import { DEFAULT_RESAMPLES } from "../stats/bootstrap.ts";
import { seedFor } from "../quant/numerics/random.ts";
import type { Cell } from "./cell.ts";

/** A cell that could not be finished. */
export interface FailedCell {
  readonly model: string;
  readonly slice: string;
  readonly policy: string;
  /** One sentence. */
  readonly reason: string;
}

/** What a board is made of. */
export interface BoardInput {
  /** Finished cells, at most one for each model, slice and policy. */
  readonly cells: readonly Cell[];
  readonly failures: readonly FailedCell[];
  /** Policy every other is compared with. */
  readonly baseline: string;
  readonly seed: number;
  /** Resamples behind every interval. */
  readonly resamples?: number;
}

/** A place on the board: one model and one slice. */
export interface Place {
  readonly model: string;
  readonly slice: string;
}

/** Finished cells, and replicates of their numbers drawn once. */
export class Board {
  readonly models: readonly string[];
  readonly slices: readonly string[];
  readonly policies: readonly string[];
  readonly failures: readonly FailedCell[];
  readonly baseline: string;
  readonly seed: number;
  readonly resamples: number;
  readonly cells: readonly Cell[];
  readonly #byName: ReadonlyMap<string, Cell>;
  readonly #draws = new Map<string, PolicyDraws>();

  constructor(input: BoardInput) {
    const distinct = (names: string[]) => [...new Set(names)];
    this.cells = input.cells.map((cell) => withDelta(cell, input.cells));
    this.models = distinct(this.cells.map((c) => c.key.model));
    this.slices = distinct(this.cells.map((c) => c.key.slice));
    this.policies = distinct(this.cells.map((c) => c.key.policy));
    this.failures = input.failures;
    this.baseline = input.baseline;
    this.seed = input.seed;
    this.resamples = input.resamples ?? DEFAULT_RESAMPLES;
    this.#byName = new Map(
      this.cells.map((cell) => [name(cell.key, cell.key.policy), cell]),
    );
  }

  /** Every model and slice, models first. */
  get places(): Place[] {
    return this.models.flatMap((model) => this.slices.map((slice) => ({ model, slice })));
  }

  /** The finished cell of a policy at a place, if there is one. */
  cell(place: Place, policy: string): Cell | undefined {
    return this.#byName.get(name(place, policy));
  }

  /** Finished cells of a place, in the order of the policies. */
  cellsAt(place: Place): Cell[] {
    return this.policies.flatMap((policy) => this.cell(place, policy) ?? []);
  }

  /**
   * A policy's replicates at a place. The draws depend on the run's seed and the slice alone: every
   * policy and every model sees the same resamples of the slice's examples.
   */
  draws(place: Place, policy: string): PolicyDraws | undefined {
    const cell = this.cell(place, policy);
    if (cell === undefined) return undefined;
    const key = name(place, policy);
    let draws = this.#draws.get(key);
    if (draws === undefined) {
      draws = drawPolicy({ policy, examples: cell.examples }, {
        seed: seedFor(this.seed, place.slice),
        resamples: this.resamples,
      });
      this.#draws.set(key, draws);
    }
    return draws;
  }
}

function name(place: Place, policy: string): string {
  return JSON.stringify([place.model, place.slice, policy]);
}

/** A cell run by itself does not know the reference's quality; the board does. */
function withDelta(cell: Cell, cells: readonly Cell[]): Cell {
  const reference = cells.find(({ key }) =>
    key.policy === REFERENCE && key.model === cell.key.model && key.slice === cell.key.slice
  );
  if (reference === undefined) return cell;
  const delta = cell.numbers.quality_main - reference.numbers.quality_main;
  return {
    ...cell,
    numbers: { ...cell.numbers, quality_delta_vs_ref: Math.round(delta * 1e6) / 1e6 },
  };
}

/** Name of the full-precision policy. */
export const REFERENCE = "reference";
