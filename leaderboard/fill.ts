/**
 * Runs what is not finished yet, cell by cell, and keeps each cell as soon as it is done.
 *
 * @module
 */
import type { Cell, CellKey } from "./cell.ts";
import type { CellStore } from "./cell_store.ts";
import type { FailedCell } from "./board.ts";

/** A slice on a model, ready to be run under any policy. */
export interface ReadySlice {
  /** The key of a policy's cell. */
  key(policy: string): Promise<CellKey>;
  /** Runs a policy; a policy that cannot be run is a sentence, not an error. */
  run(key: CellKey, signal: AbortSignal | undefined): Promise<Cell | { readonly reason: string }>;
}

/** A model, opened once for all its cells. */
export interface ReadyModel {
  slice(name: string): Promise<ReadySlice>;
  close(): Promise<void>;
}

/** What to run. */
export interface FillInput {
  readonly models: readonly string[];
  readonly slices: readonly string[];
  /** In the order they are run. */
  readonly policies: readonly string[];
  readonly store: CellStore;
  /** Runs every cell again. */
  readonly fresh: boolean;
  open(model: string): Promise<ReadyModel>;
  /** Called before a cell is run and after it is there, `done` of `total`. */
  readonly progress?: (done: number, total: number, event: FillEvent) => void;
  readonly signal?: AbortSignal;
}

/** What happened to a cell. */
export type FillEvent =
  | { readonly kind: "started"; readonly key: CellKey }
  | { readonly kind: "finished" | "reused"; readonly cell: Cell }
  | { readonly kind: "failed"; readonly cell: FailedCell };

/** Every cell that is there, and what failed. */
export interface Filled {
  readonly cells: readonly Cell[];
  readonly failures: readonly FailedCell[];
  /** Cells of an earlier run. */
  readonly reused: number;
}

/**
 * Fills a board. Cells that are already in the store are not run again, unless `fresh`.
 *
 * @throws the signal's reason when it is aborted; finished cells stay in the store
 */
export async function fill(input: FillInput): Promise<Filled> {
  const { models, slices, policies, store, signal } = input;
  const total = models.length * slices.length * policies.length;
  const cells: Cell[] = [];
  const failures: FailedCell[] = [];
  let reused = 0;
  const tell = (event: FillEvent) => input.progress?.(cells.length + failures.length, total, event);
  for (const name of models) {
    const model = await input.open(name);
    try {
      for (const sliceName of slices) {
        const slice = await model.slice(sliceName);
        for (const policy of policies) {
          signal?.throwIfAborted();
          const key = await slice.key(policy);
          const known = input.fresh ? undefined : await store.load(key);
          if (known !== undefined) {
            cells.push(known);
            reused++;
            tell({ kind: "reused", cell: known });
            continue;
          }
          tell({ kind: "started", key });
          const result = await slice.run(key, signal);
          if ("reason" in result) {
            const cell = { model: name, slice: sliceName, policy, reason: result.reason };
            failures.push(cell);
            tell({ kind: "failed", cell });
          } else {
            await store.save(result);
            cells.push(result);
            tell({ kind: "finished", cell: result });
          }
        }
      }
    } finally {
      await model.close();
    }
  }
  return { cells, failures, reused };
}
