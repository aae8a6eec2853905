fn fit_entries(low: f32, high: f32, group: u32) -> vec2f {
  return fit_group(low, high, f32(fixed_top_code));
}
