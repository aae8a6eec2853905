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
  let quads = fixed_head_dim / 4u;
  if (index >= fixed_heads * job.units * quads) {
    return;
  }
  let quad = index % quads;
  let row = index / quads;
  let head = row / job.units;
  let unit = row - head * job.units;
  let place = place_of(unit, head, 4u * quad);
  var part = codes[place.word] >> place.shift;
  if (place.shift + 4u * place.bits > 32u) {
    part |= codes[place.word + 1u] << (32u - place.shift);
  }
  let mask = (1u << place.bits) - 1u;
  let parameter = load_parameters(place.group);
  restored[(head * job.capacity + job.from_token + unit) * quads + quad] = vec4f(
    value_of(f32(part & mask), parameter.x, parameter.y),
    value_of(f32((part >> place.bits) & mask), parameter.x, parameter.y),
    value_of(f32((part >> (2u * place.bits)) & mask), parameter.x, parameter.y),
    value_of(f32((part >> (3u * place.bits)) & mask), parameter.x, parameter.y),
  );
}
