// The arithmetic of the family `fp8`, as in fp8.ts.

override five_exponent_bits: bool = false;

fn float_format() -> vec4u {
  if (five_exponent_bits) {
    return e5m2;
  }
  return e4m3;
}

fn fit_block(first: u32, constant: f32) -> Fit {
  if (first_bits == 0u) {
    return Fit(vec2f(constant, 0.0), vec2u(0u));
  }
  var largest = 0.0;
  for (var i = first; i < first + block_entries; i++) {
    largest = max(largest, abs(row[i]));
  }
  let top = select(448.0, 57344.0, five_exponent_bits);
  let scale = select(divide(largest, top), 1.0, largest == 0.0);
  return Fit(vec2f(scale, 0.0), vec2u(bitcast<u32>(scale), 0u));
}

fn code_of(x: f32, coding: vec2f, constant: f32) -> u32 {
  if (coding.x == 1.0) {
    return minifloat_bits(x, float_format());
  }
  return minifloat_bits(divide(x, coding.x), float_format());
}

fn value_of(code: u32, stored: vec2u, constant: f32) -> f32 {
  return minifloat_value(code, float_format()) *
    select(bitcast<f32>(stored.x), constant, first_bits == 0u);
}
