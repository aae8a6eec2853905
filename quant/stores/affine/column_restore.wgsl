// Groups along the tokens of a channel, their sizes multiples of eight. An invocation restores eight
// tokens below each other, those beside each other the channels of a head.

const column_threads = 256u;
const column_tokens = 8u;

@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> restored: array<f32>;

@compute @workgroup_size(column_threads)
fn restore_columns(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * column_threads + lane;
  let parts = job.unit_tokens / column_tokens;
  if (index >= job.heads * job.units * parts * job.head_dim) {
    return;
  }
  let channel = index % job.head_dim;
  let part = index / job.head_dim % parts;
  let unit = index / job.head_dim / parts % job.units;
  let head = index / job.head_dim / parts / job.units;
  let band = bands[head];
  let bit = part * column_tokens * band.bits;
  let word_index = unit * job.unit_words + band.word_offset + channel * band.row_words +
    (bit >> 5u);
  let shift = bit & 31u;
  let part_bits = column_tokens * band.bits;
  // The part's bits, up to 64, from as many words as they lie in.
  var low = codes[word_index] >> shift;
  var high = 0u;
  if (shift + part_bits > 32u) {
    let next = codes[word_index + 1u];
    if (shift > 0u) {
      low |= next << (32u - shift);
    }
    high = next >> shift;
    if (shift + part_bits > 64u) {
      high |= codes[word_index + 2u] << (32u - shift);
    }
  }
  let mask = (1u << band.bits) - 1u;
  let group = unit * job.unit_groups + band.group_offset + channel;
  let parameter = load_parameters(group);
  let token = job.from_token + unit * job.unit_tokens + part * column_tokens;
  let first = (head * job.capacity + token) * job.head_dim + channel;
  for (var i = 0u; i < column_tokens; i++) {
    let at = i * band.bits;
    var code = low >> (at & 31u);
    if (at >= 32u) {
      code = high >> (at - 32u);
    } else if (at + band.bits > 32u) {
      code |= high << (32u - at);
    }
    restored[first + i * job.head_dim] =
      value_of(f32(code & mask), parameter.x, parameter.y);
  }
}
