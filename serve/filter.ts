/**
 * What of the cells is shown, as the query of an address says it.
 *
 * @module
 */
import type { Cell } from "../leaderboard/cell.ts";
import type { ServedBoard } from "./boards.ts";

/** Names that are shown; an empty list shows all. Bits are those stored for an entry of the cache. */
export interface Filter {
  /** The board; undefined for the first. */
  readonly board?: string;
  readonly model: string;
  readonly benchmark: string;
  readonly policy: string;
  readonly seed: string;
  readonly least: number;
  readonly most: number;
}

/** A filter from a query; what says nothing sensible shows all. */
export function filterOf(query: URLSearchParams): Filter {
  const text = (name: string) => query.get(name) ?? "";
  const number = (name: string, absent: number) => {
    const value = Number.parseFloat(text(name));
    return Number.isFinite(value) ? value : absent;
  };
  return {
    ...(query.has("board") ? { board: text("board") } : {}),
    ...{ model: text("model"), benchmark: text("benchmark"), policy: text("policy") },
    ...{ seed: text("seed"), least: number("least", 0), most: number("most", Infinity) },
  };
}

/** The cells of a board that a filter shows; of several seeds the first, unless one is named. */
export function shownCells({ cells }: ServedBoard, filter: Filter): Cell[] {
  const [first] = seedsOf(cells);
  const seed = filter.seed === "" ? first : Number(filter.seed);
  const is = (wanted: string, name: string) => wanted === "" || wanted === name;
  return cells.filter(({ key, numbers: { avg_bits_per_kv_token: bits } }) =>
    is(filter.model, key.model) && is(filter.benchmark, key.slice) &&
    key.policy.includes(filter.policy) && key.seed === seed &&
    bits >= filter.least && bits <= filter.most
  );
}

/** Seeds of cells, in order. */
export function seedsOf(cells: readonly Cell[]): number[] {
  return [...new Set(cells.map(({ key }) => key.seed))].sort((a, b) => a - b);
}
