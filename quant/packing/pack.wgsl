// Storage formats shared by every family: packed codes, and half, float8 and float32 parameters.
// The word layouts are those of bit_packing.ts and parameters.ts.
//
// Conversions work on the bits: WGSL's pack2x16float may round either way, and a device may flush
// the subnormal values that unpack2x16float produces on the way.

const not_finite_exponent = 0x7f800000u;

// Comparing a value with itself may be folded away under fast maths; the bits cannot.
fn is_finite_value(x: f32) -> bool {
  return (bitcast<u32>(x) & not_finite_exponent) != not_finite_exponent;
}

// Drops the lowest `shift` bits (1..31), to nearest, ties to even.
fn round_shift(x: u32, shift: u32) -> u32 {
  return (x + (1u << (shift - 1u)) - 1u + ((x >> shift) & 1u)) >> shift;
}

// Nearest half-precision bits, saturating at 65504.
fn half_bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x477fe000u) {
    return sign | 0x7bffu;
  }
  if (magnitude >= 0x38800000u) {
    return sign | (round_shift(magnitude, 13u) - 0x1c000u);
  }
  let exponent = magnitude >> 23u;
  if (exponent < 102u) {
    return sign;
  }
  return sign | round_shift((magnitude & 0x7fffffu) | 0x800000u, 126u - exponent);
}

fn half_value(bits: u32) -> f32 {
  let exponent = (bits >> 10u) & 31u;
  let mantissa = bits & 0x3ffu;
  let magnitude = select(
    bitcast<f32>((exponent + 112u) << 23u | mantissa << 13u),
    f32(mantissa) * 5.9604644775390625e-8,
    exponent == 0u,
  );
  return select(magnitude, -magnitude, (bits & 0x8000u) != 0u);
}

// Halves that lie two to a word, number `index` of them in word index / 2: its value, and its bits where
// they belong.
fn half_in(word: u32, index: u32) -> f32 {
  return half_value((word >> (16u * (index & 1u))) & 0xffffu);
}

fn half_into(x: f32, index: u32) -> u32 {
  return half_bits(x) << (16u * (index & 1u));
}

const half_max = 65504.0;

// A product of entries near the end of the float range may overflow; a number must come out.
fn finite_half(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0.0;
  }
  if ((bits & 0x7fffffffu) > bitcast<u32>(half_max)) {
    return select(half_max, -half_max, bits >> 31u == 1u);
  }
  return x;
}

// Nearest e4m3fn bits, saturating at 448.
fn float8_bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 24u) & 0x80u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x3c800000u) {
    return sign | min(round_shift(magnitude, 20u) - 960u, 0x7eu);
  }
  return sign | u32(round(abs(x) * 512.0));
}

fn float8_value(bits: u32) -> f32 {
  let exponent = (bits >> 3u) & 15u;
  let mantissa = bits & 7u;
  let magnitude = select(
    bitcast<f32>((exponent + 120u) << 23u | mantissa << 20u),
    f32(mantissa) * 0.001953125,
    exponent == 0u,
  );
  return select(magnitude, -magnitude, (bits & 0x80u) != 0u);
}

// How parameters are stored, fixed when the pipeline is built.
const parameters_f16 = 0u;
const parameters_f32 = 1u;
const parameters_fp8 = 2u;
override parameter_type: u32 = parameters_f16;

// `x` rounded to float32. A compiler may fuse a product or quotient with the sum it goes into, which
// matters where the sum cancels; it cannot fuse through a choice it does not know. (`x` is never that
// NaN.)
fn alone(x: f32) -> f32 {
  return select(x, 0.0, bitcast<u32>(x) == 0x7fc12345u);
}

fn alone_quad(x: vec4f) -> vec4f {
  return select(x, vec4f(0.0), bitcast<vec4u>(x) == vec4u(0x7fc12345u));
}

// A product that stays rounded to float32.
fn rounded_product(a: f32, b: f32) -> f32 {
  return alone(a * b);
}

// a / b as float32 division rounds it, so that exact rounding ties stay ties. WGSL allows an error of
// 2.5 units in the last place; the remainder of that quotient, computed exactly, corrects it.
// Dekker, "A floating-point technique for extending the available precision", 1971: halves of 12 bits
// have exact products, whether or not a compiler fuses them with the sums.
fn divide(a: f32, b: f32) -> f32 {
  let quotient = alone(a / b);
  if (abs(a) < 1e-20 || abs(b) < 1e-20 || abs(a) > 1e30 || !is_finite_value(quotient)) {
    // The smallest parts might be subnormal, the largest infinite.
    return quotient;
  }
  let near = rounded_product(quotient, b);
  let q_high = bitcast<f32>(bitcast<u32>(quotient) & 0xfffff000u);
  let q_low = quotient - q_high;
  let b_high = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
  let b_low = b - b_high;
  let rest = q_low * b_low - (((near - q_high * b_high) - q_low * b_high) - q_high * b_low);
  return quotient + ((a - near) - rest) / b;
}

// The same for a whole `b` from 1 to 255, a constant: parts of the quotient times it are exact.
fn divide_by_whole(a: f32, b: f32) -> f32 {
  if (abs(a) < 1e-20 || abs(a) > 1e30 || !is_finite_value(a)) {
    return divide(a, b);
  }
  let inverse = 1.0 / b;
  let quotient = alone(a * inverse);
  let high = bitcast<f32>(bitcast<u32>(quotient) & 0xfffff000u);
  let low = quotient - high;
  return quotient + ((a - high * b) - low * b) * inverse;
}

// A quotient that is about to be rounded to an integer of at most eight bits: exact only where that
// decides. The product with the inverse is off by less than a millionth of itself, so by a quarter of
// the distance to a tie that is looked at, or less.
fn divide_to_round(a: f32, b: f32) -> f32 {
  let quotient = alone(a * (1.0 / b));
  let usual = abs(b) > 1e-30 && abs(b) < 1e30;
  if (usual && abs(quotient - nearest_whole(quotient)) < 0.499) {
    return quotient;
  }
  return divide(a, b);
}

// The nearest integer to a number between -2^22 and 2^22. Adding what leaves no room for a fraction
// takes less than `round`, but a compiler would add and subtract for nothing; it does not see through
// the exponent.
fn nearest_whole(x: f32) -> f32 {
  let mantissa = bitcast<u32>(x + 12582912.0) & 0x7fffffu;
  return bitcast<f32>(mantissa | 0x4b000000u) - 12582912.0;
}

// The integer from 0 to `top` (65,535 at most) that is nearest, ties to even.
fn nearest_code(steps: f32, top: f32) -> u32 {
  return bitcast<u32>(clamp(steps, 0.0, top) + 8388608.0) & 0xffffu;
}

// The same as a float.
fn nearest_level(steps: f32, top: f32) -> f32 {
  let mantissa = bitcast<u32>(clamp(steps, 0.0, top) + 8388608.0) & 0xffffu;
  return bitcast<f32>(mantissa | 0x4b000000u) - 8388608.0;
}

fn nearest_levels(steps: vec4f, top: f32) -> vec4f {
  let bits = bitcast<vec4u>(clamp(steps, vec4f(0.0), vec4f(top)) + 8388608.0);
  return bitcast<vec4f>((bits & vec4u(0xffffu)) | vec4u(0x4b000000u)) - 8388608.0;
}

// Codes of quotients, by the product with the inverse of what divides (packed_codes.ts): the bits of
// 2^23 more than the code. `far` becomes the greatest distance of a quotient from its code so far.
fn quick_code(a: f32, inverse: f32, top: f32, far: ptr<function, f32>) -> u32 {
  let steps = clamp(a * inverse, 0.0, top);
  // The mask changes nothing, but compilers would see that what is added is subtracted.
  let bits = bitcast<u32>(steps + 8388608.0) & 0x4b00ffffu;
  *far = max(*far, abs(steps - (bitcast<f32>(bits) - 8388608.0)));
  return bits;
}

// Up to this distance the product has decided like the quotient: it is off by less than a millionth of
// itself, and what is above the largest code is clamped.
fn quick_limit(top: f32) -> f32 {
  return 0.5 - (top + 1.0) * 1e-6;
}
