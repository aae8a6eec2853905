// Restores entries that are one stream, and with them their codes and groups, in the order of the
// stream: an invocation has four neighbouring entries. Before it stand `fixed_bits` and
// `fixed_group_size`, a multiple of four, what stream_quantize.ts lists of the places of entries, and
//   fn load_fitted(group: u32) -> vec2f
//   fn entry_of(code: u32, fitted: vec2f) -> f32

const stream_threads = 256u;
const stream_quads = 2u;

@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> restored: array<vec4f>;

@compute @workgroup_size(stream_threads)
fn restore_stream(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = flat_workgroup(id, workgroups) * stream_threads * stream_quads + lane;
  for (var i = 0u; i < stream_quads; i++) {
    restore_quad(4u * (first + i * stream_threads));
  }
}

fn restore_quad(position: u32) {
  if (position >= stream_entries()) {
    return;
  }
  // Bits of a whole tensor may be too many to count.
  let bit = position % 32u * fixed_bits;
  let word = stream_first_word() + position / 32u * fixed_bits + (bit >> 5u);
  let shift = bit & 31u;
  var part = codes[word] >> shift;
  if (shift + 4u * fixed_bits > 32u) {
    part |= codes[word + 1u] << (32u - shift);
  }
  let mask = (1u << fixed_bits) - 1u;
  let fitted = load_fitted(stream_first_group() + position / fixed_group_size);
  restored[stream_quad(position)] = vec4f(
    entry_of(part & mask, fitted),
    entry_of((part >> fixed_bits) & mask, fitted),
    entry_of((part >> (2u * fixed_bits)) & mask, fitted),
    entry_of((part >> (3u * fixed_bits)) & mask, fitted),
  );
}
