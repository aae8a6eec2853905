// AQUA-KV: one workgroup per token. Layout and arithmetic are those of aquakv_settings.ts, higgs.ts and
// predict.ts.

struct Job {
  heads: u32,
  head_dim: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  // Position of the first token of this launch, its row, and how many tokens there are.
  first: u32,
  row: u32,
  tokens: u32,
  // How many rows a token is predicted from.
  inputs: u32,
  rotate: u32,
}

// Channels that are rotated together and have one scale.
override hadamard_size: u32 = 64u;
// Bits of a code, which is that of two channels; 32 for two halves, with nothing rotated.
override code_bits: u32 = 4u;
// Points of the codebook.
override points: u32 = 16u;

// The codebook, then the predictor's bias.
@group(0) @binding(2) var<storage, read> tables: array<f32>;
// Two halves in a word, `[channels][inputs]`.
@group(0) @binding(3) var<storage, read> weights: array<u32>;
@group(0) @binding(4) var<storage, read> first_input: array<f32>;
@group(0) @binding(5) var<storage, read> second_input: array<f32>;
@group(0) @binding(6) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(7) var<storage, read_write> codes: array<u32>;
// Atomic because two scales share a word.
@group(0) @binding(8) var<storage, read_write> scale: array<atomic<u32>>;
// Restored tokens, `[tokens][channels]`, keys before RoPE.
@group(0) @binding(9) var<storage, read_write> rows: array<f32>;
@group(0) @binding(10) var<storage, read> cosine: array<f32>;
@group(0) @binding(11) var<storage, read> sine: array<f32>;

var<workgroup> inverse: array<f32, most_channels>;
var<workgroup> code: array<u32, most_channels>;

fn token_words() -> u32 {
  return (most_channels / 2u * code_bits + 31u) / 32u;
}

fn scales() -> u32 {
  return most_channels / hadamard_size;
}

fn weight(at: u32) -> f32 {
  return half_in(weights[at >> 1u], at);
}

// What a channel of a token is predicted to be.
fn predicted(c: u32, index: u32) -> f32 {
  if (job.inputs == 0u) {
    return 0.0;
  }
  var sum = 0.0;
  let at = c * job.inputs * most_channels;
  for (var i = 0u; i < most_channels; i++) {
    sum += weight(at + i) * first_input[(job.row + index) * most_channels + i];
  }
  if (job.inputs == 2u) {
    for (var i = 0u; i < most_channels; i++) {
      sum += weight(at + most_channels + i) * second_input[(job.row + index) * most_channels + i];
    }
  }
  return sum + tables[2u * points + c];
}

// Multiplies the vector by the Hadamard matrix, group by group.
fn rotate_groups(thread: u32) {
  for (var half = 1u; half < hadamard_size; half <<= 1u) {
    workgroupBarrier();
    for (var pair = thread; pair < most_channels / 2u; pair += workgroup_threads) {
      let a = pair / half * 2u * half + pair % half;
      let x = vector[a];
      let y = vector[a + half];
      vector[a] = x + y;
      vector[a + half] = x - y;
    }
  }
  workgroupBarrier();
  let unit = 1.0 / sqrt(f32(hadamard_size));
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    vector[c] *= unit;
  }
  workgroupBarrier();
}

@compute @workgroup_size(workgroup_threads)
fn encode(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens) {
    return;
  }
  let token = job.first + index;
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    vector[c] = finite_half(channel_of(c, token, token)) - predicted(c, index);
  }
  workgroupBarrier();
  if (code_bits == 32u) {
    for (var pair = thread; pair < most_channels / 2u; pair += workgroup_threads) {
      let halves = half_bits(vector[2u * pair]) | (half_bits(vector[2u * pair + 1u]) << 16u);
      codes[(job.row + index) * token_words() + pair] = halves;
    }
    return;
  }
  rotate_groups(thread);
  for (var g = thread; g < scales(); g += workgroup_threads) {
    var square = 0.0;
    for (var i = 0u; i < hadamard_size; i++) {
      let x = vector[g * hadamard_size + i];
      square += x * x;
    }
    let root = sqrt(square / f32(hadamard_size));
    inverse[g] = select(0.0, 1.0 / root, root > 0.0);
    let at = (job.row + index) * scales() + g;
    atomicOr(&scale[at >> 1u], half_into(root, at));
  }
  workgroupBarrier();
  for (var pair = thread; pair < most_channels / 2u; pair += workgroup_threads) {
    let by = inverse[2u * pair / hadamard_size];
    let x = vector[2u * pair] * by;
    let y = vector[2u * pair + 1u] * by;
    var best = -0x1p+126;
    for (var i = 0u; i < points; i++) {
      let a = tables[2u * i];
      let b = tables[2u * i + 1u];
      let score = x * a + y * b - 0.5 * (a * a + b * b);
      if (score > best) {
        best = score;
        code[pair] = i;
      }
    }
  }
  workgroupBarrier();
  for (var w = thread; w < token_words(); w += workgroup_threads) {
    var word = 0u;
    for (var k = 32u * w / code_bits; k < most_channels / 2u; k++) {
      let bit = i32(k * code_bits) - i32(32u * w);
      if (bit >= 32) {
        break;
      }
      word |= select(code[k] << u32(max(bit, 0)), code[k] >> u32(max(-bit, 0)), bit < 0);
    }
    codes[(job.row + index) * token_words() + w] = word;
  }
}

@compute @workgroup_size(workgroup_threads)
fn decode(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens) {
    return;
  }
  let words = (job.row + index) * token_words();
  if (code_bits == 32u) {
    for (var c = thread; c < most_channels; c += workgroup_threads) {
      rows[(job.row + index) * most_channels + c] = half_in(codes[words + c / 2u], c);
    }
    return;
  }
  for (var pair = thread; pair < most_channels / 2u; pair += workgroup_threads) {
    let bit = pair * code_bits;
    let shift = bit & 31u;
    let at = words + (bit >> 5u);
    var found = codes[at] >> shift;
    if (shift + code_bits > 32u) {
      found |= codes[at + 1u] << (32u - shift);
    }
    found &= max(points, 1u) - 1u;
    let g = (job.row + index) * scales() + 2u * pair / hadamard_size;
    let by = half_in(atomicLoad(&scale[g >> 1u]), g);
    vector[2u * pair] = tables[2u * found] * by;
    vector[2u * pair + 1u] = tables[2u * found + 1u] * by;
  }
  rotate_groups(thread);
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    rows[(job.row + index) * most_channels + c] = finite_half(vector[c] + predicted(c, index));
  }
}

// Rows into the tensor.
@compute @workgroup_size(workgroup_threads)
fn place(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens) {
    return;
  }
  let token = job.first + index;
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    vector[c] = rows[(job.row + index) * most_channels + c];
  }
  workgroupBarrier();
  place_vector(token, thread);
}
