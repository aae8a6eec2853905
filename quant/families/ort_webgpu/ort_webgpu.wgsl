// The arithmetic of the family `ort_webgpu`, as in ort_webgpu.ts.

const most = 1e30;

fn level_of(code: u32) -> f32 {
  var levels = array<f32, 8>(0.0113, 0.0342, 0.0578, 0.0829, 0.1104, 0.1419, 0.1809, 0.2377);
  if (code < 8u) {
    return -levels[7u - code];
  }
  return levels[code - 8u];
}

fn inverse(scale: f32) -> f32 {
  if (scale > 0.0) {
    return divide(1.0, scale);
  }
  return 0.0;
}

fn fit_block(first: u32, constant: f32) -> Fit {
  var largest = 0.0;
  var squares = 0.0;
  for (var i = first; i < first + block_entries; i++) {
    largest = max(largest, abs(row[i]));
    squares = alone(squares + rounded_product(row[i], row[i]));
  }
  var scale = divide(largest, 127.0);
  if (code_bits == 4u) {
    scale = select(most, min(root(squares), most), is_finite_value(squares));
  }
  return Fit(vec2f(inverse(scale), 0.0), vec2u(bitcast<u32>(scale), 0u));
}

fn code_of(x: f32, coding: vec2f, constant: f32) -> u32 {
  let scaled = rounded_product(x, coding.x);
  if (code_bits == 8u) {
    return bitcast<u32>(i32(clamp(round(scaled), -127.0, 127.0))) & 0xffu;
  }
  var bounds = array<f32, 7>(0.0227, 0.0460, 0.0704, 0.0966, 0.1261, 0.1614, 0.2093);
  var code = select(0u, 1u, scaled > 0.0);
  for (var i = 0u; i < 7u; i++) {
    code += select(0u, 1u, scaled > bounds[i]) + select(0u, 1u, scaled > -bounds[i]);
  }
  return code;
}

fn value_of(code: u32, stored: vec2u, constant: f32) -> f32 {
  let scale = bitcast<f32>(stored.x);
  if (code_bits == 8u) {
    return f32(bitcast<i32>(code << 24u) >> 24u) * scale;
  }
  return level_of(code) * scale;
}
