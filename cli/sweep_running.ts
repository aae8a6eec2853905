/**
 * @module
 */
import type { ReadyModel } from "../leaderboard/fill.ts";
import type { LiveFile } from "../sweep/live.ts";
import type { OpenBenchmarks } from "../sweep/open_benchmarks.ts";
import type { SweepProgram } from "../sweep/record.ts";
import type { Shard } from "../sweep/shards.ts";
import type { WorkerSetup } from "../sweep/worker.ts";
import type { SweepOptions } from "./sweep_options.ts";

/** How cells of a sweep are run. */
export interface Running {
  readonly options: SweepOptions;
  readonly setup: WorkerSetup;
  readonly program: SweepProgram;
  readonly shard: Shard;
  readonly benchmarks: OpenBenchmarks;
  readonly live: LiveFile;
  readonly inform: (sentence: string) => void;
  /** Is told of each model that is opened in this process. */
  readonly opened: (model: ReadyModel, name: string) => Promise<void>;
}
