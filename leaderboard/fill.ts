/**
 * Runs what is not finished yet, cell by cell, and keeps each cell as soon as it is done.
 *
 * @module
 */
import type { Cell, CellKey } from "./cell.ts";
import type { CellStore } from "./cell_store.ts";
import type { FailedCell, Misfit } from "./board.ts";

/** A slice on a model, ready to be run under any policy. */
export interface ReadySlice {
  /** The key of a policy's cell. */
  key(policy: string): Promise<CellKey>;
  /** Runs a policy; a policy that cannot be run is a sentence, not an error. */
  run(key: CellKey, signal: AbortSignal | undefined): Promise<Cell | { readonly reason: string }>;
}

/** A model, opened once for all its cells. */
export interface ReadyModel {
  /** Of weights, configuration, graph and runtime. */
  readonly fingerprint: string;
  /** Why a policy cannot be applied to the model, where that is plain before anything is run. */
  misfit(policy: string): Promise<string | undefined>;
  /** @param seed instead of the run's own */
  slice(name: string, seed?: number): Promise<ReadySlice>;
  close(): Promise<void>;
}

/** What to run. */
export interface FillInput {
  readonly models: readonly string[];
  readonly slices: readonly string[];
  /** In the order they are run. */
  readonly policies: readonly string[];
  /** Those that fail where they do not apply; any other is passed over there. */
  readonly named: readonly string[];
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
  | { readonly kind: "failed"; readonly cell: FailedCell }
  | { readonly kind: "not applicable"; readonly misfit: Misfit };

/** Every cell that is there, and what failed. */
export interface Filled {
  readonly cells: readonly Cell[];
  readonly failures: readonly FailedCell[];
  /** Policies that were passed over on a model. */
  readonly misfits: readonly Misfit[];
  /** Cells of an earlier run. */
  readonly reused: number;
}

/**
 * Fills a board. Cells that are already in the store are not run again, unless `fresh`.
 *
 * @throws the signal's reason when it is aborted; finished cells stay in the store
 */
export async function fill(input: FillInput): Promise<Filled> {
  const { models, slices, policies, named, store, signal } = input;
  let total = models.length * slices.length * policies.length;
  const cells: Cell[] = [];
  const failures: FailedCell[] = [];
  const misfits: Misfit[] = [];
  let reused = 0;
  const tell = (event: FillEvent) => input.progress?.(cells.length + failures.length, total, event);
  for (const name of models) {
    const model = await input.open(name);
    const fail = (slice: string, policy: string, reason: string) => {
      const cell = { model: name, slice, policy, reason };
      failures.push(cell);
      tell({ kind: "failed", cell });
    };
    try {
      const fitting: string[] = [];
      for (const policy of policies) {
        const reason = await model.misfit(policy);
        if (reason === undefined) fitting.push(policy);
        else if (named.includes(policy)) {
          for (const slice of slices) fail(slice, policy, `Policy ${policy}: rejected: ${reason}`);
        } else {
          const misfit = { model: name, policy, reason };
          misfits.push(misfit);
          total -= slices.length;
          tell({ kind: "not applicable", misfit });
        }
      }
      for (const sliceName of slices) {
        const slice = await model.slice(sliceName);
        for (const policy of fitting) {
          const outcome = await fillCell(slice, policy, {
            store,
            fresh: input.fresh,
            ...(signal === undefined ? {} : { signal }),
            started: (key) => tell({ kind: "started", key }),
          });
          if ("reason" in outcome) {
            fail(sliceName, policy, outcome.reason);
            continue;
          }
          cells.push(outcome.cell);
          if (outcome.kind === "reused") reused++;
          tell(outcome);
        }
      }
    } finally {
      await model.close();
    }
  }
  return { cells, failures, misfits, reused };
}

/** What filling one cell takes. */
export interface FillCellOptions {
  readonly store: CellStore;
  /** Runs it whether or not it is in the store. */
  readonly fresh: boolean;
  readonly signal?: AbortSignal;
  /** Called before it is run; not for one that is in the store. */
  readonly started?: (key: CellKey) => void;
}

/** What became of one cell. */
export type CellOutcome =
  | { readonly kind: "finished" | "reused"; readonly cell: Cell }
  | { readonly kind: "failed"; readonly reason: string };

/** Runs one cell and keeps it, unless it is in the store. */
export async function fillCell(
  slice: ReadySlice,
  policy: string,
  { store, fresh, signal, started }: FillCellOptions,
): Promise<CellOutcome> {
  signal?.throwIfAborted();
  const key = await slice.key(policy);
  const known = fresh ? undefined : await store.load(key);
  if (known !== undefined) return { kind: "reused", cell: known };
  started?.(key);
  const result = await slice.run(key, signal);
  if ("reason" in result) return { kind: "failed", reason: result.reason };
  await store.save(result);
  return { kind: "finished", cell: result };
}
