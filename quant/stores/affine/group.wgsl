// Quantize-and-pack and restore for families that code groups of consecutive channels of a token,
// or of consecutive tokens of a channel, by a scale and a zero point. The family supplies
//   fn scale_zero(low: f32, high: f32, top_code: f32) -> vec2f
//   fn code_of(x: f32, scale: f32, zero: f32, top_code: f32) -> f32
//   fn value_of(code: f32, scale: f32, zero: f32) -> f32
// Buffer layout: group_layout.ts.

// Heads that are coded together (group_layout.ts, Band).
struct Band {
  first_head: u32,
  heads: u32,
  bits: u32,
  top_code: u32,
  row_words: u32,
  word_offset: u32,
  group_offset: u32,
  // Codes one invocation quantizes: whole groups that fill whole words.
  chunk_codes: u32,
  // Chunks of the bands before this one.
  first_chunk: u32,
}

struct Job {
  heads: u32,
  head_dim: u32,
  // Tokens of room in the tensor that is read or written.
  capacity: u32,
  // First quantized token.
  from_token: u32,
  group_size: u32,
  unit_tokens: u32,
  unit_words: u32,
  unit_groups: u32,
  unit_chunks: u32,
  bands: u32,
  // Units to quantize or to restore.
  first_unit: u32,
  units: u32,
  clip_ratio: f32,
  scale_floor: f32,
}

@group(0) @binding(2) var<storage, read> bands: array<Band>;

// Groups along tokens (true) or along channels.
override channel_axis: bool = false;
// Round to half precision after every operation.
override half_arithmetic: bool = false;

fn rounded(x: f32) -> f32 {
  if (half_arithmetic) {
    return half_value(half_bits(x));
  }
  return x;
}

// A difference in steps of the scale, as `code_of` has it.
fn steps_of(difference: f32, scale: f32) -> f32 {
  if (half_arithmetic) {
    return rounded(divide(difference, scale));
  }
  return divide_to_round(difference, scale);
}

// Walks the entries of a group in the order of their codes.
struct Cursor {
  address: u32,
  channel: u32,
}

fn advance(cursor: ptr<function, Cursor>) {
  if (channel_axis) {
    (*cursor).address += job.head_dim;
  } else {
    (*cursor).address += 1u;
    (*cursor).channel += 1u;
    if ((*cursor).channel == job.head_dim) {
      // The group goes on in the same token of the next head.
      (*cursor).channel = 0u;
      (*cursor).address += (job.capacity - 1u) * job.head_dim;
    }
  }
}
