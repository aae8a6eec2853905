/**
 * Every quantizer family by name.
 *
 * @module
 */
import { type Family, QuantizerError } from "./family.ts";
import { hfHqq } from "./hf_hqq/hf_hqq.ts";
import { hfQuanto } from "./hf_quanto/hf_quanto.ts";
import { kivi } from "./kivi/kivi.ts";
import { kvquant } from "./kvquant/kvquant.ts";
import { kvtuner } from "./kvtuner/kvtuner.ts";
import { qaq } from "./qaq/qaq.ts";
import { skvq } from "./skvq/skvq.ts";
import { squat } from "./squat/squat.ts";
import { transform } from "./transform/transform.ts";
import { turboquant } from "./turboquant/turboquant.ts";
import { uniform } from "./uniform/uniform.ts";

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
      `There is no quantizer family "${name}"; choose one of ${Object.keys(families).join(", ")}.`,
    );
  }
  return families[name as FamilyName] as unknown as Family;
}
