// Groups along the channels of a token, their sizes multiples of four. An invocation restores four
// channels beside each other, in the order of the target.

const row_threads = 256u;

@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> restored: array<vec4f>;

@compute @workgroup_size(row_threads)
fn restore_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * row_threads + lane;
  let quads = job.head_dim / 4u;
  if (index >= job.heads * job.units * quads) {
    return;
  }
  let quad = index % quads;
  let unit = index / quads % job.units;
  let head = index / quads / job.units;
  let band = bands[head / bands[0].heads];
  let position = (head - band.first_head) * job.head_dim + 4u * quad;
  let group = unit * job.unit_groups + band.group_offset + position / job.group_size;
  let bit = position * band.bits;
  let word_index = unit * job.unit_words + band.word_offset + (bit >> 5u);
  let shift = bit & 31u;
  var part = codes[word_index] >> shift;
  if (shift + 4u * band.bits > 32u) {
    part |= codes[word_index + 1u] << (32u - shift);
  }
  let mask = (1u << band.bits) - 1u;
  let parameter = load_parameters(group);
  var values: vec4f;
  for (var i = 0u; i < 4u; i++) {
    let code = (part >> (i * band.bits)) & mask;
    values[i] = value_of(f32(code), parameter.x, parameter.y);
  }
  restored[(head * job.capacity + job.from_token + unit) * quads + quad] = values;
}
