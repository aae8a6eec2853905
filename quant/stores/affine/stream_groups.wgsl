// What `stream_quantize.ts` asks about groups.

fn report_entry(position: u32) {
  let token = job.from_token + job.first_unit + position / token_entries;
  report_not_finite(token, fixed_heads, position % token_entries / fixed_head_dim);
}

fn fit_entries(low: f32, high: f32, group: u32) -> vec2f {
  return scale_zero(low, high, f32(fixed_top_code));
}

fn has_codes(fitted: vec2f) -> bool {
  return fitted.x > 0.0 && is_finite_value(fitted.x);
}

fn code_entry(x: f32, fitted: vec2f) -> u32 {
  let top_code = f32(fixed_top_code);
  return nearest_code(code_of(x, fitted.x, fitted.y, top_code), top_code);
}

fn quick_fits(fitted: vec2f) -> bool {
  return fitted.x > 1e-30 && fitted.x < 1e30;
}

fn store_fitted(group: u32, fitted: vec2f) {
  store_parameters(group, fitted.x, fitted.y);
}
