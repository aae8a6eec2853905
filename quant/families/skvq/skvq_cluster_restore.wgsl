@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> restored: array<f32>;

// One invocation per token and place.
@compute @workgroup_size(256)
fn restore(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = id.x + id.y * workgroups.x * 256u;
  if (index >= job.units * job.channels) {
    return;
  }
  let place = places[index % job.channels];
  let unit = index / job.channels;
  let bit = index % job.channels * job.bits;
  let word = unit * job.token_words + (bit >> 5u);
  let shift = bit & 31u;
  var code = codes[word] >> shift;
  if (shift + job.bits > 32u) {
    code |= codes[word + 1u] << (32u - shift);
  }
  code &= (1u << job.bits) - 1u;
  let parameter = load_parameters(unit * job.groups + place.group);
  let value = value_of(f32(code), parameter.x, parameter.y);
  restored[address(place.channel, job.from_token + unit)] = value / place.factor;
}
