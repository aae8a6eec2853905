@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read> scale_zero: array<u32>;
// Values of every row's codebook, or of every channel's codes.
@group(0) @binding(5) var<storage, read> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> restored: array<f32>;

const restore_threads = 256u;

// The row of an entry, where its code lies in a token, and the token's scale and zero point.
struct Place {
  row: CodeRow,
  channel: u32,
  word: u32,
  shift: u32,
  scale: f32,
  zero: f32,
}

fn place_of(unit: u32, entry: u32) -> Place {
  var r = 0u;
  while (r + 1u < job.rows && rows[r + 1u].first_code <= entry) {
    r++;
  }
  let row = rows[r];
  let channel = entry - row.first_code;
  let bit = channel * row.bits;
  var scale = 0.0;
  var zero = 0.0;
  if (!calibrated) {
    if (wide) {
      scale = bitcast<f32>(scale_zero[2u * unit]);
      zero = bitcast<f32>(scale_zero[2u * unit + 1u]);
    } else {
      scale = half_value(scale_zero[unit] & 0xffffu);
      zero = half_value(scale_zero[unit] >> 16u);
    }
  }
  let word = unit * job.token_words + row.word_offset + (bit >> 5u);
  return Place(row, channel, word, bit & 31u, scale, zero);
}

// Codes from a place on, as many as `length` bits have.
fn codes_at(place: Place, length: u32) -> u32 {
  var part = codes[place.word] >> place.shift;
  if (place.shift + length > 32u) {
    part |= codes[place.word + 1u] << (32u - place.shift);
  }
  return part;
}

// Entry `i` behind a place.
fn entry_of(place: Place, part: u32, i: u32) -> f32 {
  let code = (part >> (i * place.row.bits)) & ((1u << place.row.bits) - 1u);
  if (calibrated) {
    return values[place.row.first_value + ((place.channel + i) << place.row.bits) + code];
  }
  return values[place.row.first_value + code] * place.scale + place.zero;
}

// One invocation per restored value, in the order of the target.
@compute @workgroup_size(restore_threads)
fn restore(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * restore_threads + lane;
  if (index >= fixed_heads * job.tokens * fixed_head_dim) {
    return;
  }
  let channel = index % fixed_head_dim;
  let token_row = index / fixed_head_dim;
  let head = token_row / job.tokens;
  let unit = token_row - head * job.tokens;
  let place = place_of(unit, head * fixed_head_dim + channel);
  restored[(head * job.capacity + job.from_token + unit) * fixed_head_dim + channel] =
    entry_of(place, codes_at(place, place.row.bits), 0u);
}

// The same binding, four values at a time; an invocation has four, of heads whose channels are fours.
@group(0) @binding(6) var<storage, read_write> restored_quads: array<vec4f>;

@compute @workgroup_size(restore_threads)
fn restore_quads(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let quads = fixed_head_dim / 4u;
  let index = flat_workgroup(id, workgroups) * restore_threads + lane;
  if (index >= fixed_heads * job.tokens * quads) {
    return;
  }
  let quad = index % quads;
  let token_row = index / quads;
  let head = token_row / job.tokens;
  let unit = token_row - head * job.tokens;
  let place = place_of(unit, head * fixed_head_dim + 4u * quad);
  let part = codes_at(place, 4u * place.row.bits);
  restored_quads[(head * job.capacity + job.from_token + unit) * quads + quad] = vec4f(
    entry_of(place, part, 0u),
    entry_of(place, part, 1u),
    entry_of(place, part, 2u),
    entry_of(place, part, 3u),
  );
}
