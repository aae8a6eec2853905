@group(0) @binding(3) var<storage, read_write> restored: array<f32>;
@group(0) @binding(5) var<storage, read> codes: array<u32>;

// One invocation per restored value, in the order of the target.
@compute @workgroup_size(256)
fn restore(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  // Workgroups are started at a rate; larger ones write more with each.
  let index = id.x + id.y * workgroups.x * 256u;
  let row = job.tokens * job.head_dim;
  if (index >= job.heads * row) {
    return;
  }
  let head = index / row;
  let s = select(head, 0u, joined);
  let position = select(index % row, index, joined);
  var k = position / job.group_size;
  var i = position % job.group_size;
  if (group_order == channel_order) {
    let token = position / job.head_dim;
    k = token / job.group_size * job.head_dim + position % job.head_dim;
    i = token % job.group_size;
  } else if (group_order == comb_order) {
    k = position % job.groups;
    i = position / job.groups;
  }
  let segment = segments[s];
  var word_index = segment.first_word;
  var shift = 0u;
  if (ten_per_word) {
    word_index += k * segment.chunk_words + i / 10u;
    shift = i % 10u * segment.bits;
  } else {
    let bit = (k * job.group_size + i) * segment.bits;
    word_index += bit >> 5u;
    shift = bit & 31u;
  }
  var code = codes[word_index] >> shift;
  if (shift + segment.bits > 32u) {
    code |= codes[word_index + 1u] << (32u - shift);
  }
  code &= (1u << segment.bits) - 1u;
  let pair = load_parameters(s * job.groups + k);
  restored[head * job.capacity * job.head_dim + index % row] =
    value_of(f32(code), pair, top_code_of(s));
}
