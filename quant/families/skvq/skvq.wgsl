// Arithmetic of the family `skvq` (cat538/SKVQ, KV_process.py): both ends of the range are
// multiplied by the clip ratio, and the scale has a floor.

fn scale_zero(low: f32, high: f32, top_code: f32) -> vec2f {
  let zero = rounded(rounded_product(low, job.clip_ratio));
  let top = rounded(rounded_product(high, job.clip_ratio));
  let scale = rounded(divide_by_whole(rounded(top - zero), top_code));
  return vec2f(max(scale, rounded(job.scale_floor)), zero);
}

fn code_of(x: f32, scale: f32, zero: f32, top_code: f32) -> f32 {
  return steps_of(rounded(x - zero), scale);
}

fn value_of(code: f32, scale: f32, zero: f32) -> f32 {
  return rounded(rounded(code * scale) + zero);
}
