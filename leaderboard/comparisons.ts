/**
 * Paired comparisons of the policies of a board.
 *
 * @module
 */
import { compareDraws, drawnAlike, type PairedComparison } from "../stats/compare.ts";
import type { Board, Place } from "./board.ts";

/** A comparison and where it was made. */
export interface PlacedComparison extends PairedComparison, Place {}

/** One pair of policies at one place; undefined when either lacks its cell. */
export function compareAt(
  board: Board,
  place: Place,
  a: string,
  b: string,
): PlacedComparison | undefined {
  const drawn = { a: board.draws(place, a), b: board.draws(place, b) };
  if (drawn.a === undefined || drawn.b === undefined) return undefined;
  const comparison = compareDraws(...drawnAlike(drawn.a, drawn.b));
  // The seed a reader repeats the run with, not the slice's own that follows from it.
  return { ...place, ...comparison, seed: board.seed };
}

/** Every policy against the baseline at one place, in the order given. */
export function againstBaseline(
  board: Board,
  place: Place,
  policies: readonly string[] = board.policies,
): PlacedComparison[] {
  return policies.filter((policy) => policy !== board.baseline)
    .flatMap((policy) => compareAt(board, place, policy, board.baseline) ?? []);
}

/** Every pair of policies at every place. */
export function allPairs(board: Board): PlacedComparison[] {
  return board.places.flatMap((place) =>
    board.policies.flatMap((a, i) =>
      board.policies.slice(i + 1).flatMap((b) => compareAt(board, place, a, b) ?? [])
    )
  );
}
