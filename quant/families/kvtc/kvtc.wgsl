// From vectors to rows and back. Layout and arithmetic are those of component_blocks.ts.

struct Job {
  heads: u32,
  head_dim: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  // First token of this launch, and how many there are.
  first: u32,
  tokens: u32,
  // Which of how many layers.
  layer: u32,
  layers: u32,
  // Components that are stored of a token, their blocks, and words of a row.
  stored: u32,
  block_count: u32,
  row_words: u32,
  rotate: u32,
}

struct Block {
  first: u32,
  size: u32,
  bits: u32,
  byte: u32,
}

@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read> mean: array<f32>;
// Two halves in a word, `[stored][channels]`.
@group(0) @binding(4) var<storage, read> axes: array<u32>;
@group(0) @binding(5) var<storage, read_write> tensor: array<f32>;
// `[tokens][stored]`
@group(0) @binding(6) var<storage, read_write> components: array<f32>;
@group(0) @binding(7) var<storage, read_write> rows: array<u32>;
@group(0) @binding(8) var<storage, read> cosine: array<f32>;
@group(0) @binding(9) var<storage, read> sine: array<f32>;

// Entry of an axis at a channel of the job's layer.
fn axis_entry(k: u32, c: u32) -> f32 {
  let at = (k * job.layers + job.layer) * most_channels + c;
  return half_in(axes[at >> 1u], at);
}

// Adds to the components what one layer's channels bring.
@compute @workgroup_size(workgroup_threads)
fn project(
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
    let x = channel_of(c, token, token * job.layers + job.layer);
    vector[c] = x - mean[job.layer * most_channels + c];
  }
  workgroupBarrier();
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    let at = index * job.stored + k;
    var sum = components[at];
    for (var c = 0u; c < most_channels; c++) {
      sum += axis_entry(k, c) * vector[c];
    }
    components[at] = sum;
  }
}

fn put(index: u32, bit: u32, value: u32) {
  rows[index * job.row_words + (bit >> 5u)] |= value << (bit & 31u);
}

fn take(index: u32, bit: u32, width: u32) -> u32 {
  return (rows[index * job.row_words + (bit >> 5u)] >> (bit & 31u)) & ((1u << width) - 1u);
}

// Halves are not always within one word.
fn put_half(index: u32, byte: u32, value: u32) {
  put(index, 8u * byte, value & 255u);
  put(index, 8u * byte + 8u, value >> 8u);
}

fn take_half(index: u32, byte: u32) -> f32 {
  return half_value(take(index, 8u * byte, 8u) | (take(index, 8u * byte + 8u, 8u) << 8u));
}

@compute @workgroup_size(workgroup_threads)
fn encode(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = flat_index(id, groups);
  if (index >= job.tokens) {
    return;
  }
  for (var b = 0u; b < job.block_count; b++) {
    let block = blocks[b];
    let start = index * job.stored + block.first;
    if (block.bits == 8u) {
      for (var i = 0u; i < block.size; i++) {
        put(index, 8u * (block.byte + i), float8_bits(finite_half(components[start + i])));
      }
      continue;
    }
    var low = finite_half(components[start]);
    var high = low;
    for (var i = 1u; i < block.size; i++) {
      let x = finite_half(components[start + i]);
      low = min(low, x);
      high = max(high, x);
    }
    let top = f32((1u << block.bits) - 1u);
    let scale = half_bits((high - low) / top);
    let lowest = half_bits(low);
    put_half(index, block.byte, scale);
    put_half(index, block.byte + 2u, lowest);
    let step = half_value(scale);
    let origin = half_value(lowest);
    if ((scale & 0x7fffu) == 0u) {
      continue;
    }
    for (var i = 0u; i < block.size; i++) {
      let steps = (finite_half(components[start + i]) - origin) / step;
      put(index, 8u * (block.byte + 4u) + i * block.bits, u32(round(clamp(steps, 0.0, top))));
    }
  }
}

@compute @workgroup_size(workgroup_threads)
fn decode(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = flat_index(id, groups);
  if (index >= job.tokens) {
    return;
  }
  for (var b = 0u; b < job.block_count; b++) {
    let block = blocks[b];
    let to = index * job.stored + block.first;
    let step = take_half(index, block.byte);
    let origin = take_half(index, block.byte + 2u);
    for (var i = 0u; i < block.size; i++) {
      if (block.bits == 8u) {
        components[to + i] = float8_value(take(index, 8u * (block.byte + i), 8u));
      } else {
        let code = take(index, 8u * (block.byte + 4u) + i * block.bits, block.bits);
        components[to + i] = f32(code) * step + origin;
      }
    }
  }
}

// One layer's channels of components.
@compute @workgroup_size(workgroup_threads)
fn rebuild(
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
    var sum = 0.0;
    for (var k = 0u; k < job.stored; k++) {
      sum += axis_entry(k, c) * components[index * job.stored + k];
    }
    vector[c] = sum + mean[job.layer * most_channels + c];
  }
  workgroupBarrier();
  place_vector(token, thread);
}
