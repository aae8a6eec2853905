// Blocks: tokens that are quantized together, in groups of one of three orders. Buffer layout:
// block_layout.ts, block_parameters.ts. The family supplies
//   fn fit_group(low: f32, high: f32, top_code: f32) -> vec2f   what coding needs of a group
//   fn code_of(x: f32, fitted: vec2f, top_code: f32) -> f32     a code, not yet rounded and clamped
//   fn stored_pair(fitted: vec2f) -> vec2f                      scale and zero, to be stored
//   fn value_of(code: f32, stored: vec2f, top_code: f32) -> f32

struct Job {
  heads: u32,
  head_dim: u32,
  // Tokens of room in the tensor that is read or written.
  capacity: u32,
  // Tokens of the block.
  tokens: u32,
  group_size: u32,
  // Groups of one segment.
  groups: u32,
  segments: u32,
  // Chunks of the longest segment.
  chunks: u32,
}

struct Segment {
  bits: u32,
  first_word: u32,
  // Groups that fill whole words, and those words.
  chunk_groups: u32,
  chunk_words: u32,
}

@group(0) @binding(2) var<storage, read> segments: array<Segment>;

const flat_order = 0u;
const channel_order = 1u;
const comb_order = 2u;
override group_order: u32 = flat_order;

const format_f16_pair = 0u;
const format_f32_pair = 1u;
const format_f16_i16 = 2u;
const format_f16_scale = 3u;
const format_f32_scale = 4u;
override parameter_format: u32 = format_f16_pair;

// Groups may reach from one head into the next: one segment holds all heads.
override joined: bool = false;

// Ten 3-bit codes to a word instead of a bit stream.
override ten_per_word: bool = false;

fn top_code_of(segment: u32) -> f32 {
  return f32((1u << segments[segment].bits) - 1u);
}

// Index in the tensor of entry i of group k of a segment.
fn entry(segment: u32, k: u32, i: u32) -> u32 {
  var position = k * job.group_size + i;
  if (group_order == channel_order) {
    let channel = k % job.head_dim;
    position = (k - channel) * job.group_size + channel + i * job.head_dim;
  } else if (group_order == comb_order) {
    position = k + i * job.groups;
  }
  let stride = job.capacity * job.head_dim;
  if (joined) {
    let row = job.tokens * job.head_dim;
    return position / row * stride + position % row;
  }
  return segment * stride + position;
}
