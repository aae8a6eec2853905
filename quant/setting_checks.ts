/**
 * Checks that several families make on what a policy answered. Each throws a `QuantizerError` with
 * the value that was wrong and what would be right.
 *
 * @module
 */
import type { HookAnswers } from "./family.ts";
import { QuantizerError } from "./quantizer_error.ts";

/** `Layer 3 keys` or `Layer 3 values`, at the start of a sentence. */
export function placeName(place: Pick<HookAnswers, "layer" | "kind">): string {
  return `Layer ${place.layer} ${place.kind}s`;
}

/** Every head has a width, and the family can store it. */
export function checkWidths(
  family: { readonly name: string; readonly widths: readonly number[] },
  answers: HookAnswers,
  heads: number,
): void {
  if (answers.bits.length !== heads) {
    throw new QuantizerError(
      `${
        placeName(answers)
      }: ${answers.bits.length} code widths were given for ${heads} KV heads; ` +
        `give one width per head`,
    );
  }
  answers.bits.forEach((bits, head) => {
    if (!family.widths.includes(bits)) {
      throw new QuantizerError(
        `${placeName(answers)}, head ${head}: family "${family.name}" cannot store codes of ` +
          `${bits} bits; use one of ${family.widths.join(", ")}`,
      );
    }
  });
}

/** `value` is an integer of at least `least`. */
export function checkInteger(
  answers: HookAnswers,
  name: string,
  value: number,
  least: number,
): void {
  if (!Number.isInteger(value) || value < least) {
    throw new QuantizerError(
      `${placeName(answers)}: ${name} is ${value}; it must be an integer of at least ${least}`,
    );
  }
}

/** `groupSize` divides `total`, the number of `what`. */
export function checkDivides(
  answers: HookAnswers,
  groupSize: number,
  total: number,
  what: string,
): void {
  if (total % groupSize !== 0) {
    throw new QuantizerError(
      `${placeName(answers)}: a group of ${groupSize} does not divide the ${total} ${what}; ` +
        `group_size must be a divisor of ${total}`,
    );
  }
}

/** Every head has the same width, as a family needs that knows one width per layer and kind. */
export function checkOneWidth(family: string, answers: HookAnswers): void {
  const [first, ...others] = answers.bits;
  const head = others.findIndex((bits) => bits !== first) + 1;
  if (head > 0) {
    throw new QuantizerError(
      `${placeName(answers)}: family "${family}" has one width for all heads of a layer, but ` +
        `head 0 was given ${first} bits and head ${head} ${answers.bits[head]}`,
    );
  }
}

/**
 * The group size of groups that lie in one token and head: what the policy gave, which must divide
 * `headDim`, or the largest divisor of `headDim` that is at most `usual`.
 */
export function dividingGroup(answers: HookAnswers, headDim: number, usual: number): number {
  const { groupSize } = answers;
  if (groupSize !== undefined) {
    checkInteger(answers, "group_size", groupSize, 1);
    checkDivides(answers, groupSize, headDim, "channels of a head");
    return groupSize;
  }
  let divisor = Math.min(usual, headDim);
  while (headDim % divisor !== 0) divisor--;
  return divisor;
}
