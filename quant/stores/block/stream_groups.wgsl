// What `stream_quantize.ts` asks about groups, but for `fit_entries`.

fn report_entry(position: u32) {
  let row = position / fixed_head_dim;
  report_not_finite(row % job.tokens, job.heads, row / job.tokens);
}

fn has_codes(fitted: vec2f) -> bool {
  return true;
}

fn code_entry(x: f32, fitted: vec2f) -> u32 {
  let top_code = f32(fixed_top_code);
  return nearest_code(code_of(x, fitted, top_code), top_code);
}

fn store_fitted(group: u32, fitted: vec2f) {
  store_parameters(group, stored_pair(fitted));
}
