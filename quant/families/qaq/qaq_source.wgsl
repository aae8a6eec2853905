@group(0) @binding(2) var<storage, read> source: array<f32>;

// First entry of the group in a token's entries, and the token counted from the dispatch's first.
var<private> group_entry: u32;
var<private> group_token: u32;

// Where entry `index` of the group lies; entries of a token are layers, heads, channels.
fn address_of(index: u32) -> u32 {
  let entry = group_entry + index;
  let head = entry / fixed_head_dim;
  let layer = head / fixed_heads;
  return job.base + layer * job.layer_stride + head % fixed_heads * job.head_stride +
    group_token * fixed_head_dim + entry % fixed_head_dim;
}

fn element(index: u32) -> f32 {
  return source[address_of(index)];
}
