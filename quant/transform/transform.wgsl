// Transform coding: one workgroup per token. Layout and constants are those of transform_layout.ts.
//
// `tables` (u32), per coded component: index in its block, width, bit offset, level offset, block.
// A row starts with a half-precision range per block where tokens have ranges.
// `constants` (f32): mean, deviation of every component, forward [component][channel], inverse [component][channel], levels.

struct Job {
  heads: u32,
  head_dim: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  // First quantized token, and the first of this dispatch.
  origin: u32,
  first: u32,
  tokens: u32,
  // Heads of a block; coded components, bits of a row.
  block_heads: u32,
  coded: u32,
  row_bits: u32,
  rotate: u32,
  // Offsets into `constants`.
  forward: u32,
  inverse: u32,
  levels: u32,
  // Blocks of heads whose tokens store a range; 0 where levels were learned.
  ranges: u32,
}

// Width of a component that is kept as a half-precision number.
const exact = 16u;
const smallest = 1.1754943508222875e-38;
const workgroup_threads = 64u;
// heads * headDim of the model.
override channels: u32 = 128u;

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> tables: array<u32>;
@group(0) @binding(2) var<storage, read> constants: array<f32>;
@group(0) @binding(3) var<storage, read_write> rows: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(5) var<storage, read_write> failure: atomic<u32>;
@group(0) @binding(6) var<storage, read> cosine: array<f32>;
@group(0) @binding(7) var<storage, read> sine: array<f32>;

var<workgroup> vector: array<f32, channels>;
var<workgroup> component: array<f32, channels>;
// Bits of each block's largest component, as a positive float; floats of one sign order as integers.
var<workgroup> largest: array<atomic<u32>, channels>;

fn token_of(group: vec3u, groups: vec3u) -> u32 {
  return group.y * groups.x + group.x;
}

// Bits that are zero become `value`; neighbouring tokens share words.
fn write_bits(at: u32, value: u32, width: u32) {
  let shift = at & 31u;
  atomicOr(&rows[at >> 5u], value << shift);
  if (shift + width > 32u) {
    atomicOr(&rows[(at >> 5u) + 1u], value >> (32u - shift));
  }
}

fn read_bits(at: u32, width: u32) -> u32 {
  let shift = at & 31u;
  var value = atomicLoad(&rows[at >> 5u]) >> shift;
  if (shift + width > 32u) {
    value |= atomicLoad(&rows[(at >> 5u) + 1u]) << (32u - shift);
  }
  return value & ((1u << width) - 1u);
}

// Standard deviation of coded component k.
fn deviation(k: u32) -> f32 {
  let block_channels = job.block_heads * job.head_dim;
  return max(constants[channels + tables[5u * k + 4u] * block_channels + tables[5u * k]], smallest);
}

// Coded component k: where its block's matrices start, and its row in them.
fn matrix_row(k: u32) -> u32 {
  let block_channels = job.block_heads * job.head_dim;
  let block = tables[5u * k + 4u];
  return (block * block_channels + tables[5u * k]) * block_channels;
}

@compute @workgroup_size(64)
fn quantize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = token_of(group, groups);
  if (index >= job.tokens) {
    return;
  }
  let token = job.first + index;
  for (var block = thread; block < job.ranges; block += workgroup_threads) {
    atomicStore(&largest[block], 0u);
  }
  for (var c = thread; c < channels; c += workgroup_threads) {
    let head = c / job.head_dim;
    let x = tensor[(head * job.capacity + token) * job.head_dim + c % job.head_dim];
    if (!is_finite_value(x)) {
      atomicMin(&failure, token * job.heads + head);
    }
    vector[c] = x - constants[c];
  }
  workgroupBarrier();
  let block_channels = job.block_heads * job.head_dim;
  for (var k = thread; k < job.coded; k += workgroup_threads) {
    let row = job.forward + matrix_row(k);
    let start = tables[5u * k + 4u] * block_channels;
    var sum = 0.0;
    for (var c = 0u; c < block_channels; c++) {
      sum += constants[row + c] * vector[start + c];
    }
    component[k] = sum;
    if (job.ranges > 0u && tables[5u * k + 1u] != exact) {
      atomicMax(&largest[tables[5u * k + 4u]], bitcast<u32>(abs(sum) / deviation(k)));
    }
  }
  workgroupBarrier();
  for (var k = thread; k < job.coded; k += workgroup_threads) {
    var sum = component[k];
    let at = (token - job.origin) * job.row_bits + tables[5u * k + 2u];
    if (tables[5u * k + 1u] == exact) {
      write_bits(at, half_bits(sum), exact);
      continue;
    }
    if (job.ranges > 0u) {
      let range = half_value(half_bits(bitcast<f32>(atomicLoad(&largest[tables[5u * k + 4u]]))));
      sum = select(sum / (deviation(k) * range), 0.0, range == 0.0);
    }
    // The nearest of ascending levels, by bisection over their midpoints.
    let levels = job.levels + tables[5u * k + 3u];
    var nearest = 0u;
    for (var half = (1u << tables[5u * k + 1u]) >> 1u; half > 0u; half >>= 1u) {
      let at = levels + nearest + half;
      if (sum > (constants[at - 1u] + constants[at]) * 0.5) {
        nearest += half;
      }
    }
    write_bits(at, nearest, tables[5u * k + 1u]);
  }
  for (var block = thread; block < job.ranges; block += workgroup_threads) {
    let at = (token - job.origin) * job.row_bits + exact * block;
    write_bits(at, half_bits(bitcast<f32>(atomicLoad(&largest[block]))), exact);
  }
}

@compute @workgroup_size(64)
fn restore(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = token_of(group, groups);
  if (index >= job.tokens) {
    return;
  }
  let token = job.first + index;
  let base = (token - job.origin) * job.row_bits;
  for (var k = thread; k < job.coded; k += workgroup_threads) {
    let width = tables[5u * k + 1u];
    let found = read_bits(base + tables[5u * k + 2u], width);
    if (width == exact) {
      component[k] = half_value(found);
      continue;
    }
    var value = constants[job.levels + tables[5u * k + 3u] + found];
    if (job.ranges > 0u) {
      let block = tables[5u * k + 4u];
      value *= half_value(read_bits(base + exact * block, exact)) * deviation(k);
    }
    component[k] = value;
  }
  workgroupBarrier();
  let block_channels = job.block_heads * job.head_dim;
  for (var c = thread; c < channels; c += workgroup_threads) {
    var sum = constants[c];
    let block = c / block_channels;
    let within = c % block_channels;
    for (var k = 0u; k < job.coded; k++) {
      if (tables[5u * k + 4u] == block) {
        sum += component[k] * constants[job.inverse + matrix_row(k) + within];
      }
    }
    vector[c] = sum;
  }
  workgroupBarrier();
  let half = job.head_dim / 2u;
  for (var c = thread; c < channels; c += workgroup_threads) {
    let head = c / job.head_dim;
    let d = c % job.head_dim;
    var x = vector[c];
    if (job.rotate != 0u) {
      let angle = token * half + d % half;
      let other = select(-vector[min(c + half, channels - 1u)], vector[max(c, half) - half], d >= half);
      x = x * cosine[angle] + other * sine[angle];
    }
    tensor[(head * job.capacity + token) * job.head_dim + d] = x;
  }
}
