@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read> scale_zero: array<u32>;
// Values of every row's codebook, or of every channel's codes.
@group(0) @binding(5) var<storage, read> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> restored: array<f32>;

// One invocation per restored value, in the order of the target.
@compute @workgroup_size(256)
fn restore(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * 256u + lane;
  if (index >= job.heads * job.tokens * job.head_dim) {
    return;
  }
  let channel = index % job.head_dim;
  let unit = index / job.head_dim % job.tokens;
  let head = index / job.head_dim / job.tokens;
  let position = head * job.head_dim + channel;
  var r = 0u;
  while (r + 1u < job.rows && rows[r + 1u].first_code <= position) {
    r++;
  }
  let row = rows[r];
  let place = position - row.first_code;
  let bit = place * row.bits;
  let word = unit * job.token_words + row.word_offset + (bit >> 5u);
  let shift = bit & 31u;
  var code = codes[word] >> shift;
  if (shift + row.bits > 32u) {
    code |= codes[word + 1u] << (32u - shift);
  }
  code &= (1u << row.bits) - 1u;
  var x = 0.0;
  if (calibrated) {
    x = values[row.first_value + (place << row.bits) + code];
  } else {
    var scale = 0.0;
    var zero = 0.0;
    if (wide) {
      scale = bitcast<f32>(scale_zero[2u * unit]);
      zero = bitcast<f32>(scale_zero[2u * unit + 1u]);
    } else {
      scale = half_value(scale_zero[unit] & 0xffffu);
      zero = half_value(scale_zero[unit] >> 16u);
    }
    x = values[row.first_value + code] * scale + zero;
  }
  restored[(head * job.capacity + job.from_token + unit) * job.head_dim + channel] = x;
}
