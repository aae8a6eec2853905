@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> restored: array<f32>;

// One invocation per restored value, in the order of the target.
@compute @workgroup_size(256)
fn restore(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = id.x + id.y * workgroups.x * 256u;
  let tokens = job.units * job.unit_tokens;
  if (index >= job.heads * tokens * job.head_dim) {
    return;
  }
  let channel = index % job.head_dim;
  let row = index / job.head_dim;
  let offset = row % tokens;
  let head = row / tokens;
  let band = bands[head / bands[0].heads];
  let unit = offset / job.unit_tokens;
  var group = unit * job.unit_groups + band.group_offset;
  var word_index = unit * job.unit_words + band.word_offset;
  var position = 0u;
  if (channel_axis) {
    position = offset % job.unit_tokens;
    group += channel;
    word_index += channel * band.row_words;
  } else {
    position = (head - band.first_head) * job.head_dim + channel;
    group += position / job.group_size;
  }
  let bit = position * band.bits;
  word_index += bit >> 5u;
  let shift = bit & 31u;
  var code = codes[word_index] >> shift;
  if (shift + band.bits > 32u) {
    code |= codes[word_index + 1u] << (32u - shift);
  }
  code &= (1u << band.bits) - 1u;
  let parameter = load_parameters(group);
  let target_index = (head * job.capacity + job.from_token + offset) * job.head_dim + channel;
  restored[target_index] = value_of(f32(code), parameter.x, parameter.y);
}
