// Arithmetic of the family `kivi` (jy-yuan/KIVI, quant/new_pack.py); clipping is an extension.

fn scale_zero(low: f32, high: f32, top_code: f32) -> vec2f {
  let zero = rounded(rounded_product(low, job.clip_ratio));
  let top = rounded(rounded_product(high, job.clip_ratio));
  return vec2f(rounded(divide_by_whole(rounded(top - zero), top_code)), zero);
}

fn code_of(x: f32, scale: f32, zero: f32, top_code: f32) -> f32 {
  return steps_of(rounded(x - zero), scale);
}

fn value_of(code: f32, scale: f32, zero: f32) -> f32 {
  return rounded(rounded(code * scale) + zero);
}
