@group(0) @binding(3) var<storage, read> row_pointers: array<u32>;
@group(0) @binding(4) var<storage, read> outlier_words: array<u32>;
@group(0) @binding(5) var<storage, read_write> restored: array<f32>;

fn ends_before(unit: u32) -> u32 {
  if (unit == 0u) {
    return 0u;
  }
  return row_pointers[unit - 1u];
}

// Invocations that share the outliers of a token.
const overlay_lanes = 8u;

// For the tokens whose outliers lie in this buffer.
@compute @workgroup_size(workgroup_threads)
fn overlay(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  let step = index / overlay_lanes;
  if (step >= job.tokens) {
    return;
  }
  let unit = job.first + step;
  let base = ends_before(job.first);
  let first = ends_before(unit) - base + index % overlay_lanes;
  for (var o = first; o < row_pointers[unit] - base; o += overlay_lanes) {
    var x = 0.0;
    var position = 0u;
    if (wide) {
      x = bitcast<f32>(outlier_words[2u * o]);
      position = outlier_words[2u * o + 1u];
    } else {
      x = half_value(outlier_words[o] & 0xffffu);
      position = outlier_words[o] >> 16u;
    }
    let head = position / fixed_head_dim;
    let token = job.from_token + unit;
    restored[(head * job.capacity + token) * fixed_head_dim + position % fixed_head_dim] = x;
  }
}
