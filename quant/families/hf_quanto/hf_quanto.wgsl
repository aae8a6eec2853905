// Arithmetic of the family `hf_quanto` (huggingface/optimum-quanto, optimum/quanto/tensor):
// scale * code - shift with shift = -min; the pair holds scale and min.

// Round to half precision after every operation.
override half_arithmetic: bool = false;

fn rounded(x: f32) -> f32 {
  if (half_arithmetic) {
    return half_value(half_bits(x));
  }
  return x;
}

fn fit_group(low: f32, high: f32, top_code: f32) -> vec2f {
  let zero = rounded(low);
  return vec2f(rounded(rounded(high - zero) / top_code), zero);
}

fn code_of(x: f32, fitted: vec2f, top_code: f32) -> f32 {
  // A constant group has scale 0; the official code casts NaN to an integer there.
  if (!(fitted.x > 0.0) || !is_finite_value(fitted.x)) {
    return 0.0;
  }
  if (half_arithmetic) {
    return rounded(rounded(x - fitted.y) / fitted.x);
  }
  return divide_to_round(x - fitted.y, fitted.x);
}

fn quick_fits(fitted: vec2f) -> bool {
  return fitted.x > 1e-30 && fitted.x < 1e30;
}

fn stored_pair(fitted: vec2f) -> vec2f {
  return fitted;
}

fn value_of(code: f32, stored: vec2f, top_code: f32) -> f32 {
  return rounded(rounded(code * stored.x) + stored.y);
}
