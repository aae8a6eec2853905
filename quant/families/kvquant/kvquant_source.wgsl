// The entries of a token, and which of them are outliers.

@group(0) @binding(3) var<storage, read> source: array<f32>;
// Per channel: lower, upper, factor, offset (kvquant_rule.ts, ChannelRule).
@group(0) @binding(5) var<storage, read> channels: array<vec4f>;

var<private> token_address: u32;

fn element(index: u32) -> f32 {
  let head = index / job.head_dim;
  return source[token_address + head * job.capacity * job.head_dim + index % job.head_dim];
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
