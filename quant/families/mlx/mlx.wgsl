// The arithmetic of the family `mlx`, as in mlx.ts.

// Scales and biases are bfloat16 instead of f16.
override brain_floats: bool = false;

fn parameter_bits(x: f32) -> u32 {
  if (brain_floats) {
    return bfloat16_bits(x);
  }
  return half_bits(x);
}

fn parameter_value(bits: u32) -> f32 {
  if (brain_floats) {
    return bitcast<f32>(bits << 16u);
  }
  return half_value(bits);
}

fn fit_block(first: u32, constant: f32) -> Fit {
  var low = row[first];
  var high = low;
  for (var i = first; i < first + block_entries; i++) {
    low = min(low, row[i]);
    high = max(high, row[i]);
  }
  let top = f32((1u << code_bits) - 1u);
  let step = max(divide(high - low, top), 1e-7);
  let from_low = abs(low) > abs(high);
  let edge = select(high, low, from_low);
  var scale = select(-step, step, from_low);
  var bias = 0.0;
  if (is_finite_value(scale)) {
    let steps = round(divide(edge, scale));
    if (steps != 0.0) {
      scale = divide(edge, steps);
      bias = edge;
    }
  }
  return Fit(vec2f(scale, bias), vec2u(parameter_bits(scale), parameter_bits(bias)));
}

fn code_of(x: f32, coding: vec2f, constant: f32) -> u32 {
  if (!is_finite_value(coding.x)) {
    return 0u;
  }
  let level = round(divide(alone(x - coding.y), coding.x));
  return u32(clamp(level, 0.0, f32((1u << code_bits) - 1u)));
}

fn value_of(code: u32, stored: vec2u, constant: f32) -> f32 {
  return rounded_product(f32(code), parameter_value(stored.x)) + parameter_value(stored.y);
}
