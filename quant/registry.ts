/**
 * Every quantizer family by name.
 *
 * @module
 */
import type { Family } from "./family.ts";
import { QuantizerError } from "./quantizer_error.ts";
import { hfHqq } from "./families/hf_hqq/hf_hqq.ts";
import { hfQuanto } from "./families/hf_quanto/hf_quanto.ts";
import { kivi } from "./families/kivi/kivi.ts";
import { kvquant } from "./families/kvquant/kvquant.ts";
import { kvtuner } from "./families/kvtuner/kvtuner.ts";
import { qaq } from "./families/qaq/qaq.ts";
import { skvq } from "./families/skvq/skvq.ts";
import { squat } from "./families/squat/squat.ts";
import { transform } from "./families/transform/transform.ts";
import { turboquant } from "./families/turboquant/turboquant.ts";
import { uniform } from "./families/uniform/uniform.ts";

/** The families, in the order they are listed. */
export const families = {
  uniform,
  kivi,
  skvq,
  qaq,
  kvquant,
  hf_quanto: hfQuanto,
  hf_hqq: hfHqq,
  kvtuner,
  squat,
  turboquant,
  transform,
} as const;

/** Name of a family. */
export type FamilyName = keyof typeof families;

/**
 * The family called `name`.
 *
 * @throws {QuantizerError} when there is none; the message lists the names
 */
export function familyOf(name: string): Family {
  if (!Object.hasOwn(families, name)) {
    throw new QuantizerError(
      `There is no quantizer family "${name}"; choose one of ${Object.keys(families).join(", ")}`,
    );
  }
  return families[name as FamilyName] as unknown as Family;
}
