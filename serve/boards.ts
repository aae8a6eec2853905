/**
 * What the live page shows: sweeps and leaderboards, wherever they are kept.
 *
 * @module
 */
import type { Cell } from "../leaderboard/cell.ts";
import type { LiveRecord } from "../sweep/live.ts";

/** A run that is under way, or was killed. */
export interface LiveRun {
  readonly name: string;
  readonly record: LiveRecord;
  /** When it last wrote, in milliseconds since 1970. */
  readonly written: number;
}

/** A sweep or leaderboard that there is. */
export interface BoardName {
  readonly name: string;
  /** Whether something is running. */
  readonly isLive: boolean;
  /** Whether there is a report. */
  readonly report: boolean;
}

/** What is there of one. */
export interface ServedBoard {
  readonly name: string;
  /** Without their examples: a page has no use for them. The newest of each place, policy and seed. */
  readonly cells: readonly Cell[];
  /** Cells that failed, each with its sentence. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
  readonly live: readonly LiveRun[];
}

/** Where boards are kept. Nothing but what is asked for, and has changed, is read. */
export interface BoardSource {
  names(): Promise<readonly BoardName[]>;
  /** @param name one of `names`; undefined for any other */
  board(name: string): Promise<ServedBoard | undefined>;
  /** Text of a board's report; undefined where there is none. */
  report(name: string): Promise<string | undefined>;
}

/** A cell that failed, in words. */
export function failureName(
  { model, benchmark, policy }: { model: string; benchmark: string; policy: string },
): string {
  return `${benchmark} on ${model}, ${policy}`;
}
