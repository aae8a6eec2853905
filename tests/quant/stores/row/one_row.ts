/** One row of one head, stored and restored: for cases that are worked out by hand. */
import type { Family, HookAnswers, Settings } from "../../../../quant/family.ts";
import { settingsFor } from "../../../../quant/settings_for.ts";
import type { TestBackend } from "../../backends.ts";
import { sourceOf } from "../../golden_cases.ts";
import { answers } from "../affine/affine_answers.ts";

/** What a row became. */
export interface OneRow {
  readonly codes: Uint8Array;
  readonly parameters: Uint8Array;
  readonly restored: number[];
}

/** Stores and restores one row. */
export async function oneRow<S extends Settings>(
  backend: TestBackend,
  family: Family<S>,
  ask: Partial<HookAnswers>,
  entries: readonly number[],
): Promise<OneRow> {
  const shape = { heads: 1, capacity: 1, headDim: entries.length };
  const settings = settingsFor(family, answers("key", ask), shape);
  const tensor = backend.upload(Float32Array.from(entries), shape);
  const store = backend.open(family, sourceOf(tensor, "key", 1), settings, 1);
  store.grow(1);
  const target = backend.upload(new Float32Array(entries.length), shape);
  store.restore(target);
  await store.settle();
  const held = new Map((await store.contents()).map(({ role, words }) => [role, words]));
  const bytes = (role: string) => new Uint8Array(held.get(role)?.buffer ?? new ArrayBuffer(0));
  return {
    codes: bytes("codes"),
    parameters: bytes("parameters"),
    // 0 and -0 are the same entry.
    restored: [...await backend.read(target)].map((x) => x + 0),
  };
}
