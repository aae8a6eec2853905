// SKVQ with rearranged channels: groups are clusters of channels, of unequal sizes. Layout:
// skvq_cluster_store_cpu.ts; arithmetic: skvq.wgsl.

// One place in the order of a token's channels.
struct Place {
  channel: u32,
  group: u32,
  factor: f32,
}

struct Job {
  head_dim: u32,
  // Tokens of room in the tensor that is read or written.
  capacity: u32,
  heads: u32,
  channels: u32,
  groups: u32,
  bits: u32,
  top_code: u32,
  token_words: u32,
  // First quantized token of the cache.
  from_token: u32,
  // Tokens of this dispatch, the first counted from `from_token`.
  first: u32,
  units: u32,
  clip_ratio: f32,
  scale_floor: f32,
}

@group(0) @binding(2) var<storage, read> places: array<Place>;

fn rounded(x: f32) -> f32 {
  return x;
}

fn steps_of(difference: f32, scale: f32) -> f32 {
  return divide_to_round(difference, scale);
}

fn address(channel: u32, token: u32) -> u32 {
  let head = channel / job.head_dim;
  return (head * job.capacity + token) * job.head_dim + channel % job.head_dim;
}
