// Arithmetic of the family `hf_hqq` (mobiusml/hqq, hqq/core/quantize.py): codes are x * steps + zero,
// values (code - zero) / steps; fitted is (steps, zero), stored are 1 / steps and zero.

// Largest zero point, so that an f16 can hold it.
override most_zero: f32 = 3.0e38;

fn fit_group(low: f32, high: f32, top_code: f32) -> vec2f {
  let range = high - low;
  var steps = 0.0;
  if (range <= 1e-4) {
    steps = 1.0;
  } else if (is_finite_value(range)) {
    steps = min(top_code / range, 20000.0);
  }
  if (abs(low) * steps > most_zero) {
    steps = most_zero / abs(low);
  }
  return vec2f(steps, -low * steps);
}

fn code_of(x: f32, fitted: vec2f, top_code: f32) -> f32 {
  return x * fitted.x + fitted.y;
}

fn stored_pair(fitted: vec2f) -> vec2f {
  if (fitted.x < 1e-38) {
    return vec2f(3.0e38, 0.0);
  }
  return vec2f(1.0 / fitted.x, fitted.y);
}

fn value_of(code: f32, stored: vec2f, top_code: f32) -> f32 {
  return (code - stored.y) * stored.x;
}
