// The arithmetic of ggml's types, as in ggml_types.ts.

const type_f16 = 0u;
const type_bf16 = 1u;
const type_q8_0 = 2u;
const type_q5_1 = 3u;
const type_q5_0 = 4u;
const type_q4_1 = 5u;
const type_q4_0 = 6u;
const type_iq4_nl = 7u;
override ggml_type: u32 = type_q8_0;

fn levels() -> f32 {
  return f32(1u << code_bits);
}

// Whether codes go from the least entry of a block on, or are centred on zero.
fn is_ranged() -> bool {
  return ggml_type == type_q5_1 || ggml_type == type_q4_1;
}

fn inverse(d: f32) -> f32 {
  if (d == 0.0 || !is_finite_value(d)) {
    return 0.0;
  }
  let inverted = divide(1.0, d);
  return select(0.0, inverted, is_finite_value(inverted));
}

fn fixed_level(code: u32) -> f32 {
  var levels = array<f32, 16>(
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0,
    1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
  );
  return levels[code];
}

// The nearest fixed level, the higher of two that are as near.
fn nearest_fixed_level(x: f32) -> u32 {
  if (x <= fixed_level(0u)) {
    return 0u;
  }
  var above = 1u;
  while (above < 16u && x >= fixed_level(min(above, 15u))) {
    above++;
  }
  if (above == 16u) {
    return 15u;
  }
  return select(above, above - 1u, x - fixed_level(above - 1u) < fixed_level(above) - x);
}

fn fit_fixed_levels(first: u32, largest: f32) -> Fit {
  if (abs(largest) < 1e-15) {
    return Fit();
  }
  let id = inverse(divide(largest, fixed_level(0u)));
  var products = 0.0;
  var squares = 0.0;
  for (var i = first; i < first + block_entries; i++) {
    let x = row[i];
    let level = fixed_level(nearest_fixed_level(rounded_product(id, x)));
    let weighed = rounded_product(rounded_product(x, x), level);
    products = alone(products + rounded_product(weighed, x));
    squares = alone(squares + rounded_product(weighed, level));
  }
  var scale = 0.0;
  if (is_finite_value(products) && is_finite_value(squares)) {
    scale = divide(products, squares);
  }
  return Fit(vec2f(id, 1.0), vec2u(select(0u, half_bits(scale), is_finite_value(scale)), 0u));
}

fn fit_block(first: u32, constant: f32) -> Fit {
  if (ggml_type <= type_bf16) {
    return Fit();
  }
  var largest = 0.0;
  var low = row[first];
  var high = low;
  for (var i = first; i < first + block_entries; i++) {
    let x = row[i];
    if (abs(x) > abs(largest)) {
      largest = x;
    }
    // Of zeros of both signs a device may take either.
    low = min(low, x);
    high = max(high, x);
  }
  if (ggml_type == type_iq4_nl) {
    return fit_fixed_levels(first, largest);
  }
  if (is_ranged()) {
    let d = divide(high - low, levels() - 1.0);
    return Fit(vec2f(inverse(d), low), vec2u(half_bits(d), half_bits(low)));
  }
  let d = select(largest / (-0.5 * levels()), divide(abs(largest), 127.0), ggml_type == type_q8_0);
  return Fit(vec2f(inverse(d), 0.0), vec2u(half_bits(d), 0u));
}

fn code_of(x: f32, coding: vec2f, constant: f32) -> u32 {
  if (ggml_type == type_f16) {
    return half_bits(x);
  }
  if (ggml_type == type_bf16) {
    return bfloat16_bits(x);
  }
  if (ggml_type == type_q8_0) {
    let level = rounded_product(x, coding.x);
    let magnitude = abs(level);
    let whole = floor(magnitude);
    let steps = i32(whole + floor(2.0 * (magnitude - whole)));
    return bitcast<u32>(select(steps, -steps, level < 0.0)) & 0xffu;
  }
  if (ggml_type == type_iq4_nl) {
    return select(0u, nearest_fixed_level(rounded_product(coding.x, x)), coding.y == 1.0);
  }
  if (is_ranged()) {
    let level = rounded_product(alone(x - coding.y), coding.x) + 0.5;
    return u32(min(trunc(level), levels() - 1.0));
  }
  let level = rounded_product(x, coding.x) + (0.5 * levels() + 0.5);
  return u32(clamp(trunc(level), 0.0, levels() - 1.0));
}

fn value_of(code: u32, stored: vec2u, constant: f32) -> f32 {
  if (ggml_type == type_f16) {
    return half_value(code);
  }
  if (ggml_type == type_bf16) {
    return bitcast<f32>(code << 16u);
  }
  let d = half_value(stored.x);
  if (ggml_type == type_q8_0) {
    return f32(bitcast<i32>(code << 24u) >> 24u) * d;
  }
  if (ggml_type == type_iq4_nl) {
    return fixed_level(code) * d;
  }
  if (is_ranged()) {
    return rounded_product(f32(code), d) + half_value(stored.y);
  }
  return (f32(code) - 0.5 * levels()) * d;
}
