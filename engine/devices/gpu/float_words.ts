/**
 * How four numbers lie in a buffer of the decoder: in float32, or in float16 two to a word. Kernels
 * compute in float32 either way, so no feature of the device is needed for halves.
 *
 * @module
 */

/** What the decoder's numbers are stored in. */
export type FloatName = "float32" | "float16";

/** Bytes of a number. */
export const FLOAT_BYTES: Readonly<Record<FloatName, number>> = { float32: 4, float16: 2 };

const FLOATS = `
struct Four { words: vec4f }
fn numbers_of(four: Four) -> vec4f { return four.words; }
fn four_of(numbers: vec4f) -> Four { return Four(numbers); }
fn kept(number: f32) -> f32 { return number; }
`;

// Beyond float16 the largest number counts; what is no number stays none.
const HALVES = `
struct Four { words: vec2u }
fn numbers_of(four: Four) -> vec4f {
  return vec4f(unpack2x16float(four.words.x), unpack2x16float(four.words.y));
}
fn four_of(numbers: vec4f) -> Four {
  let held = select(clamp(numbers, vec4f(-65504.0), vec4f(65504.0)), numbers, numbers != numbers);
  return Four(vec2u(pack2x16float(held.xy), pack2x16float(held.zw)));
}
fn kept(number: f32) -> f32 {
  return numbers_of(four_of(vec4f(number))).x;
}
`;

/** WGSL: the struct `Four`, from and to its numbers, and what is left of a number that is stored. */
export function floatWords(precision: FloatName): string {
  return precision === "float32" ? FLOATS : HALVES;
}
