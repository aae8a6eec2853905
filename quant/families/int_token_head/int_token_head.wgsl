// The arithmetic of the family `int_token_head`, as in int_token_head.ts.

override symmetric: bool = true;

const most = 1e38;

fn top_code() -> f32 {
  return f32((1u << (code_bits - select(0u, 1u, symmetric))) - 1u);
}

fn parameter_bits(x: f32) -> u32 {
  if (first_bits == 16u) {
    return half_bits(x);
  }
  return bitcast<u32>(x);
}

fn parameter_value(bits: u32) -> f32 {
  if (first_bits == 16u) {
    return half_value(bits);
  }
  return bitcast<f32>(bits);
}

fn fit_block(first: u32, constant: f32) -> Fit {
  var largest = 0.0;
  var low = clamp(row[first], -most, most);
  var high = low;
  for (var i = first; i < first + block_entries; i++) {
    largest = max(largest, abs(row[i]));
    low = min(low, clamp(row[i], -most, most));
    high = max(high, clamp(row[i], -most, most));
  }
  if (symmetric) {
    let scale = select(divide(largest, top_code()), 1.0, largest == 0.0);
    return Fit(vec2f(scale, 0.0), vec2u(parameter_bits(scale), 0u));
  }
  let scale = divide(high - low, top_code());
  return Fit(vec2f(scale, low), vec2u(parameter_bits(scale), parameter_bits(low)));
}

fn code_of(x: f32, coding: vec2f, constant: f32) -> u32 {
  if (symmetric) {
    let level = i32(clamp(round(divide(x, coding.x)), -top_code(), top_code()));
    return bitcast<u32>(level) & ((1u << code_bits) - 1u);
  }
  if (coding.x == 0.0) {
    return 0u;
  }
  let level = round(divide(alone(clamp(x, -most, most) - coding.y), coding.x));
  return u32(min(level, top_code()));
}

fn value_of(code: u32, stored: vec2u, constant: f32) -> f32 {
  let scale = parameter_value(stored.x);
  if (symmetric) {
    let shift = 32u - code_bits;
    return f32(bitcast<i32>(code << shift) >> shift) * scale;
  }
  return rounded_product(f32(code), scale) + parameter_value(stored.y);
}
