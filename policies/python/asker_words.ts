/**
 * What the Python code that asks a policy is told.
 *
 * @module
 */
import { KV_KINDS } from "../../quant/family.ts";
import { hookNames } from "../../quant/hooks.ts";
import { STAT_NAMES } from "../ask.ts";
import { MOST_METHODS, OPTIONAL_METHODS, REQUIRED_METHODS } from "../methods.ts";
import type { PolicySource } from "../guest/policy_link.ts";

/** The class that a policy file in Python has; the published task's name. */
export const POLICY_CLASS = "AdaptiveQuantPolicy";

/**
 * Arguments of `Asker` in ask_policy.py, as JSON.
 *
 * @param lacking what follows the sentence that a module is not there
 */
export function askerArguments({ name, text }: PolicySource, lacking: string): string {
  return JSON.stringify({
    name,
    text,
    words: {
      lacking,
      class: POLICY_CLASS,
      kinds: KV_KINDS,
      hooks: hookNames,
      stats: STAT_NAMES,
      required: REQUIRED_METHODS,
      optional: OPTIONAL_METHODS,
      mostMethods: MOST_METHODS,
    },
  });
}
