// What the kernels of `transform` share. Layout and constants are those of transform_layout.ts.

struct Job {
  heads: u32,
  head_dim: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  // First token of this dispatch, how many there are, and the first one's group.
  first: u32,
  tokens: u32,
  first_group: u32,
  // Heads of a block; stored components of a token.
  block_heads: u32,
  stored: u32,
  rotate: u32,
  // Group whose stream comes first in the bound streams.
  first_bound: u32,
  // Levels that streams are measured at, and the first of them; whether they are bounded, and bits that each group may add to
  // all before it.
  levels: u32,
  first_level: u32,
  bounded: u32,
  group_bits: u32,
}

const group_tokens = 16u;
