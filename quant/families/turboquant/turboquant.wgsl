// What the kernels of TurboQuant share. Layout and tables are those of turboquant_settings.ts.
//
// `heads` (u32), per head: code width, word offset within a token, where its levels start.
// `tables` (f32): rotation and its transpose, projection and its transpose, levels. Matrices are read
// down their columns, so that neighbouring invocations read neighbouring words.

struct Job {
  heads: u32,
  head_dim: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  first: u32,
  tokens: u32,
  token_words: u32,
  // Offset of the levels in `tables`.
  levels: u32,
}

struct Head {
  bits: u32,
  word_offset: u32,
  levels: u32,
}

// The inner-product variant: residual norms, and a sign above the level bits of each code.
override signs: bool = false;
// Norms are f32 instead of f16.
override wide_norms: bool = false;

@group(0) @binding(2) var<storage, read> heads: array<Head>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;
// Atomic because two f16 norms share a word.
@group(0) @binding(5) var<storage, read_write> norms: array<atomic<u32>>;

fn level_bits(head: Head) -> u32 {
  return head.bits - select(0u, 1u, signs);
}

fn norm_index(token: u32, head: u32, which: u32) -> u32 {
  let per_head = select(1u, 2u, signs);
  return (token * job.heads + head) * per_head + which;
}

fn store_norm(index: u32, value: f32) {
  if (wide_norms) {
    atomicStore(&norms[index], bitcast<u32>(value));
  } else {
    atomicOr(&norms[index >> 1u], half_into(value, index));
  }
}

// A norm as it is stored.
fn stored_norm(value: f32) -> f32 {
  if (wide_norms) {
    return value;
  }
  return half_value(half_bits(value));
}

fn load_norm(index: u32) -> f32 {
  if (wide_norms) {
    return bitcast<f32>(atomicLoad(&norms[index]));
  }
  return half_in(atomicLoad(&norms[index >> 1u]), index);
}
