// The entries of a token, and which of them are outliers. Before it stands `source`, and
//   fn entry_at(address: u32) -> f32

// Per channel: lower, upper, factor, offset (kvquant_rule.ts, ChannelRule).
@group(0) @binding(5) var<storage, read> channels: array<vec4f>;

var<private> token_address: u32;

fn address_of(index: u32) -> u32 {
  let head = index / fixed_head_dim;
  return token_address + head * job.capacity * fixed_head_dim + index % fixed_head_dim;
}

fn element(index: u32) -> f32 {
  return entry_at(address_of(index));
}

fn is_outlier(index: u32, x: f32, low: f32, high: f32) -> bool {
  if (!sparse) {
    return false;
  }
  if (calibrated) {
    let channel = channels[index];
    return x < channel.x || x > channel.y;
  }
  return x <= low || x >= high;
}
