// The arithmetic of microscaling blocks, as in microscaling.ts.

const floor_rule = 0u;
const ceil_rule = 1u;
const nvfp4_rule = 2u;
override scale_rule: u32 = floor_rule;
// The element's format, and the exponent of its largest value.
override mantissa_bits: u32 = 1u;
override least_exponent: u32 = 127u;
override most_bits: u32 = 7u;
override largest_exponent: u32 = 2u;

fn element() -> vec4u {
  return vec4u(mantissa_bits, least_exponent, most_bits, code_bits - 1u);
}

fn scale_value(bits: u32, constant: f32) -> f32 {
  if (scale_rule == nvfp4_rule) {
    return rounded_product(minifloat_value(bits, e4m3), constant);
  }
  return e8m0_value(bits);
}

fn exponent_bits(x: f32) -> u32 {
  return bitcast<u32>(x) >> 23u & 0xffu;
}

fn fit_block(first: u32, constant: f32) -> Fit {
  var largest = 0.0;
  for (var i = first; i < first + block_entries; i++) {
    largest = max(largest, abs(row[i]));
  }
  var bits = max(exponent_bits(largest), largest_exponent) - largest_exponent;
  if (scale_rule == ceil_rule) {
    let bounded = max(divide(largest, 6.0), 1e-10);
    bits = exponent_bits(bounded);
    bits = min(bits + select(0u, 1u, bounded > e8m0_value(bits)), 251u);
  }
  if (scale_rule == nvfp4_rule) {
    bits = minifloat_bits(max(divide(divide(largest, 6.0), constant), 0.015625), e4m3);
  }
  return Fit(vec2f(scale_value(bits, constant), f32(bits)), vec2u(bits, 0u));
}

// The nearest e2m1 value, ties away from zero, and no sign for zero.
fn rounded_up(x: f32) -> u32 {
  let magnitude = abs(x);
  let code = select(0u, 1u, magnitude >= 0.25) + select(0u, 1u, magnitude >= 0.75) +
    select(0u, 1u, magnitude >= 1.25) + select(0u, 1u, magnitude >= 1.75) +
    select(0u, 1u, magnitude >= 2.5) + select(0u, 1u, magnitude >= 3.5) +
    select(0u, 1u, magnitude >= 5.0);
  return code | select(0u, 8u, x < 0.0);
}

fn code_of(x: f32, coding: vec2f, constant: f32) -> u32 {
  if (scale_rule == nvfp4_rule) {
    return minifloat_bits(divide(x, coding.x), element());
  }
  // Dividing by a power of two.
  let scaled = x * bitcast<f32>((254u - min(u32(coding.y), 253u)) << 23u);
  if (scale_rule == ceil_rule) {
    return rounded_up(scaled);
  }
  return minifloat_bits(scaled, element());
}

fn value_of(code: u32, stored: vec2u, constant: f32) -> f32 {
  return minifloat_value(code, element()) * scale_value(stored.x, constant);
}
