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

/** A policy that was passed over on a model, since it does not apply to it. */
export interface Misfit {
  readonly model: string;
  readonly policy: string;
  /** One sentence. */
  readonly reason: string;
}

/** An example that was left out on a model. */
export interface RefusedExample {
  readonly model: string;
  readonly slice: string;
  readonly id: string;
  /** One sentence. */
  readonly reason: string;
}

/** What a board is made of. */
export interface BoardInput {
  /** Finished cells, at most one for each model, slice and policy. */
  readonly cells: readonly Cell[];
  readonly failures: readonly FailedCell[];
  /** Absent for none. */
  readonly misfits?: readonly Misfit[];
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
  readonly misfits: readonly Misfit[];
  /** Examples that were left out, by place. */
  readonly refused: readonly RefusedExample[];
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
    this.misfits = input.misfits ?? [];
    this.refused = refusedIn(this.cells);
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

  /**
   * Slices that not all models ran the same examples of, with how many each ran: a mean over such
   * places is one over different sets of examples.
   */
  get unevenSlices(): { readonly slice: string; readonly ran: ReadonlyMap<string, number> }[] {
    return this.slices.flatMap((slice) => {
      const cells = this.cells.filter((cell) => cell.key.slice === slice);
      const all = idsOf(cells);
      if (cells.every(({ examples }) => examples.length === all.size)) return [];
      const models = this.models.filter((model) => cells.some((c) => c.key.model === model));
      const ran = (model: string) => idsOf(cells.filter((c) => c.key.model === model)).size;
      return [{ slice, ran: new Map(models.map((model) => [model, ran(model)])) }];
    });
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

function idsOf(cells: readonly Cell[]): Set<string> {
  return new Set(cells.flatMap(({ examples }) => examples.map(({ id }) => id)));
}

/** The examples that any cell left out, each once for a model. */
function refusedIn(cells: readonly Cell[]): RefusedExample[] {
  const found = new Map<string, RefusedExample>();
  for (const { key: { model, slice }, refused } of cells) {
    for (const { id, reason } of refused) {
      const key = JSON.stringify([model, slice, id]);
      if (!found.has(key)) found.set(key, { model, slice, id, reason });
    }
  }
  return [...found.values()];
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
