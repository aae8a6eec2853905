/**
 * Runs cells one after the other, with one model open at a time.
 *
 * @module
 */
import { UserError } from "../errors.ts";
import type { CellStore } from "../leaderboard/cell_store.ts";
import { type CellOutcome, fillCell, type ReadyModel } from "../leaderboard/fill.ts";
import type { SweepCell, SweepDefinition } from "./definition.ts";

/** What became of a cell: it is there, it failed, or its policy does not apply to its model. */
export type Outcome = CellOutcome | { readonly kind: "not applicable"; readonly reason: string };

/** What a runner is given. */
export interface RunnerOptions {
  readonly sweep: Pick<SweepDefinition, "named">;
  readonly store: CellStore;
  /** Runs cells that are there, too. */
  readonly fresh: boolean;
  open(model: string): Promise<ReadyModel>;
  /** Is told of each model that was opened; what it throws ends the run. */
  readonly opened?: (model: ReadyModel, name: string) => Promise<void>;
  readonly signal?: AbortSignal;
}

/** Runs cells of a sweep in this process. */
export class CellRunner implements AsyncDisposable {
  #open: { readonly name: string; readonly model: ReadyModel } | undefined;
  /** Models that cannot be opened, each with its sentence. */
  readonly #unusable = new Map<string, string>();

  constructor(private readonly options: RunnerOptions) {}

  /** Runs a cell, unless it is there. */
  async run({ model: name, benchmark, policy, seed }: SweepCell): Promise<Outcome> {
    const { sweep, store, fresh, signal } = this.options;
    const model = await this.#model(name);
    if (typeof model === "string") return { kind: "failed", reason: model };
    const misfit = await model.misfit(policy);
    if (misfit !== undefined) {
      return sweep.named.includes(policy)
        ? { kind: "failed", reason: `Policy ${policy}: rejected: ${misfit}` }
        : { kind: "not applicable", reason: misfit };
    }
    const slice = await orReason(() => model.slice(benchmark, seed));
    if (typeof slice === "string") return { kind: "failed", reason: slice };
    return await fillCell(slice, policy, {
      store,
      fresh,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** The model, or why it cannot be used. */
  async #model(name: string): Promise<ReadyModel | string> {
    const unusable = this.#unusable.get(name);
    if (unusable !== undefined) return unusable;
    if (this.#open?.name !== name) {
      await this[Symbol.asyncDispose]();
      const model = await orReason(() => this.options.open(name));
      if (typeof model === "string") {
        this.#unusable.set(name, model);
        return model;
      }
      this.#open = { name, model };
      await this.options.opened?.(model, name);
    }
    return this.#open!.model;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open?.model.close();
    this.#open = undefined;
  }
}

/** What a piece of work comes to, or what of the user's kept it from being done. */
async function orReason<V extends object>(work: () => Promise<V>): Promise<V | string> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}
