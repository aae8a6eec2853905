// Arithmetic of the family `kvtuner` (KexuanZhang/KVTuner, flexible_quant/vanilla_quantizer.py), with
// codes counted from the lowest one: value = (code + zero) * scale, zero in whole steps. Without a
// zero point codes count from the middle.

override symmetric: bool = false;
// Largest zero point, so that 16 bits can hold it; 0 for no bound.
override most_steps: f32 = 0.0;

fn stored_scale(scale: f32) -> f32 {
  if (parameter_format == format_f16_i16 || parameter_format == format_f16_scale) {
    return half_value(half_bits(scale));
  }
  return scale;
}

fn fit_group(low: f32, high: f32, top_code: f32) -> vec2f {
  if (symmetric) {
    let largest = max(max(abs(low), abs(high)), 1e-5);
    return vec2f(stored_scale(largest / ((top_code - 1.0) * 0.5)), -(top_code + 1.0) * 0.5);
  }
  var scale = 3.0e38;
  let range = high - low;
  if (is_finite_value(range)) {
    scale = max(range, 1e-5) / top_code;
  }
  if (most_steps > 0.0) {
    // Room for `low`, even when the scale is rounded down for storage.
    scale = max(scale, abs(low) / most_steps * 1.0009765625 + 2.98023223876953125e-8);
  }
  scale = stored_scale(scale);
  var zero = round(low / scale);
  if (most_steps > 0.0) {
    zero = clamp(zero, -most_steps, most_steps);
  }
  return vec2f(scale, zero);
}

fn code_of(x: f32, fitted: vec2f, top_code: f32) -> f32 {
  return x / fitted.x - fitted.y;
}

fn stored_pair(fitted: vec2f) -> vec2f {
  return fitted;
}

fn value_of(code: f32, stored: vec2f, top_code: f32) -> f32 {
  if (symmetric) {
    return (code - (top_code + 1.0) * 0.5) * stored.x;
  }
  return (code + stored.y) * stored.x;
}
