// Arithmetic of the family `uniform` (jy-yuan/KIVI, quant/new_pack.py, quant_and_pack_vcache).

fn scale_zero(low: f32, high: f32, top_code: f32) -> vec2f {
  return vec2f(rounded(divide_by_whole(rounded(high - low), top_code)), low);
}

fn code_of(x: f32, scale: f32, zero: f32, top_code: f32) -> f32 {
  return steps_of(rounded(x - zero), scale);
}

fn value_of(code: f32, scale: f32, zero: f32) -> f32 {
  return rounded(rounded(code * scale) + zero);
}
