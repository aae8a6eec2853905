// What `stream_restore.wgsl` asks about groups.

fn load_fitted(group: u32) -> vec2f {
  return load_parameters(group);
}

fn entry_of(code: u32, fitted: vec2f) -> f32 {
  return value_of(f32(code), fitted.x, fitted.y);
}
