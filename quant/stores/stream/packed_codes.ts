/**
 * WGSL that codes the entries in an invocation's registers and packs them into whole words.
 *
 * Codes of most families are quotients, rounded: (x - zero) / scale. Exact ones take many instructions,
 * and only matter where a quotient is nearly halfway between two codes. So all entries are coded by the
 * product with the inverse of the scale first; where one of them came near a tie, which is one
 * invocation in some thousands for codes of few bits, all of them are coded exactly, in a loop.
 *
 * @module
 */
import { lines, upTo } from "../../gpu/wgsl_lines.ts";

/** What is coded. */
export interface CodedEntries {
  readonly count: number;
  readonly bits: number;
  /** Entries of a group, of which there are `count / groupSize`. */
  readonly groupSize: number;
  /** The WGSL of an entry, a float in registers. */
  readonly entry: (i: number) => string;
  /** The WGSL of where the first word belongs in `codes`. */
  readonly word: string;
}

/** The codes `c0`, `c1`, ... as far as they lie in a word, shifted to where they do. */
function packedWord(count: number, bits: number, word: number): string {
  return upTo(count).flatMap((i) => {
    const at = i * bits - 32 * word;
    if (at <= -bits || at >= 32) return [];
    return [at < 0 ? `(c${i} >> ${-at}u)` : at === 0 ? `c${i}` : `(c${i} << ${at}u)`];
  }).join(" | ");
}

/** A code's bits as a float's that is 2^23 more. */
const FLOAT_BITS = 0x4b000000n;

/** As `packedWord`, of codes whose bits are those of floats: sums, less what the floats' exponents add. */
function packedFloats(count: number, bits: number, word: number): string {
  let extra = 0n;
  const parts = upTo(count).flatMap((i) => {
    const at = i * bits - 32 * word;
    if (at <= -bits || at >= 32) return [];
    extra += at < 0 ? FLOAT_BITS >> BigInt(-at) : FLOAT_BITS << BigInt(at);
    return [at < 0 ? `(b${i} >> ${-at}u)` : at === 0 ? `b${i}` : `(b${i} << ${at}u)`];
  });
  return `${parts.join(" + ")} - ${BigInt.asUintN(32, extra)}u`;
}

/**
 * Puts words into `codes`. Before it stand, for every group, `fitted0`, ... and `coded0`, ...: whether it
 * has codes other than 0; and `code_entry(x, fitted)`.
 */
export function exactCodes({ count, bits, groupSize, entry, word }: CodedEntries): string {
  const group = (i: number) => Math.floor(i / groupSize);
  return `
${
    lines(count, (i) =>
      `  let c${i} = select(0u, code_entry(${entry(i)}, fitted${group(i)}), coded${group(i)});`)
  }
${lines(wordsOf(count, bits), (w) => `  codes[${word} + ${w}u] = ${packedWord(count, bits, w)};`)}`;
}

const wordsOf = (count: number, bits: number) => Math.ceil(count * bits / 32);

/**
 * The same for quotients (x - fitted.y) / fitted.x. Before it also stand `top_code`, a float, and
 * `quick_fits(fitted)`: whether an inverse will do.
 *
 * @param stored the WGSL of entry `i`, a variable, in memory
 */
export function quotientCodes(
  { count, bits, groupSize, entry, word, stored }: CodedEntries & { readonly stored: string },
): string {
  const groups = count / groupSize;
  const words = wordsOf(count, bits);
  const group = (i: number) => Math.floor(i / groupSize);
  const none = `${FLOAT_BITS}u`;
  const every = (part: (g: number) => string) => upTo(groups).map(part).join(" && ");
  /** Of the group that entry `i`, a variable, is in. */
  const ofGroup = (name: string) =>
    upTo(groups).slice(1).reduce(
      (chosen, g) => `select(${chosen}, ${name}${g}, i >= ${g * groupSize}u)`,
      `${name}0`,
    );
  return `
${lines(groups, (g) => `  let inverse${g} = 1.0 / fitted${g}.x;`)}
  // Of a quotient and the nearest code.
  var far = 0.0;
${
    lines(count, (i) => {
      const g = group(i);
      const bits = `quick_code(${entry(i)} - fitted${g}.y, inverse${g}, top_code, &far)`;
      return `  let b${i} = ${groups === 1 ? bits : `select(${none}, ${bits}, coded${g})`};`;
    })
  }
  if (far < quick_limit(top_code) && ${every((g) => `quick_fits(fitted${g})`)}) {
${
    lines(words, (w) => {
      const packed = packedFloats(count, bits, w);
      return `    codes[${word} + ${w}u] = ${
        groups === 1 ? `select(0u, ${packed}, coded0)` : packed
      };`;
    })
  }
    return;
  }
  // Written out it would be in the way of what comes before: a compiler is not told how often it goes.
  var packed = 0u;
  var at = 0u;
  for (var i = 0u; i < min(${count}u, arrayLength(&source)); i++) {
    let code = select(0u, code_entry(${stored}, ${ofGroup("fitted")}), ${ofGroup("coded")});
    packed |= code << (at & 31u);
    at += ${bits}u;
    if ((at & 31u) < ${bits}u) {
      codes[${word} + (at >> 5u) - 1u] = packed;
      packed = select(code >> (${bits}u - (at & 31u)), 0u, (at & 31u) == 0u);
    }
  }
${count * bits % 32 === 0 ? "" : `  codes[${word} + ${words - 1}u] = packed;`}`;
}
