// From vectors to components and back: one workgroup per token.

// Block of every stored component.
@group(0) @binding(2) var<storage, read> places: array<u32>;
// Of every channel its mean, its scale and the inverse of that.
@group(0) @binding(3) var<storage, read> channels: array<f32>;
// Every stored component.
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(6) var<storage, read> cosine: array<f32>;
@group(0) @binding(7) var<storage, read> sine: array<f32>;
// Packed rows of the stored axes, and what makes the length of each one 1.
@group(0) @binding(8) var<storage, read> matrix: array<u32>;
@group(0) @binding(9) var<storage, read> lengths: array<f32>;

// Bits of an entry of the matrix.
override matrix_bits: u32 = 6u;

var<workgroup> rest: array<f32, most_channels>;
var<workgroup> component: array<f32, most_channels>;

// Entry of a stored axis at a channel of its block.
fn axis_entry(k: u32, c: u32) -> f32 {
  let row = k * ((job.block_heads * job.head_dim * matrix_bits + 31u) / 32u);
  let bit = c * matrix_bits;
  let shift = bit & 31u;
  var code = matrix[row + (bit >> 5u)] >> shift;
  if (shift + matrix_bits > 32u) {
    code |= matrix[row + (bit >> 5u) + 1u] << (32u - shift);
  }
  let offset = (1 << (matrix_bits - 1u)) - 1;
  return f32(i32(code & ((1u << matrix_bits) - 1u)) - offset) * lengths[k];
}

// What the components of a block make of one of its channels.
fn turned_back(block: u32, c: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < job.stored; k++) {
    if (places[k] == block) {
      sum += component[k] * axis_entry(k, c);
    }
  }
  return sum;
}

@compute @workgroup_size(workgroup_threads)
fn transform(
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
    let x = channel_of(c, token, token);
    vector[c] = (x - channels[3u * c]) * channels[3u * c + 1u];
  }
  workgroupBarrier();
  let block_channels = job.block_heads * job.head_dim;
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    var sum = 0.0;
    for (var c = 0u; c < block_channels; c++) {
      sum += axis_entry(k, c) * vector[places[k] * block_channels + c];
    }
    component[k] = sum;
  }
  workgroupBarrier();
  // Axes are nearly orthogonal: what they leave goes through them once more.
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    rest[c] = vector[c] - turned_back(c / block_channels, c % block_channels);
  }
  workgroupBarrier();
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    var sum = component[k];
    for (var c = 0u; c < block_channels; c++) {
      sum += axis_entry(k, c) * rest[places[k] * block_channels + c];
    }
    values[index * job.stored + k] = finite_half(sum);
  }
}

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
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    component[k] = values[index * job.stored + k];
  }
  workgroupBarrier();
  let block_channels = job.block_heads * job.head_dim;
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    let back = turned_back(c / block_channels, c % block_channels);
    vector[c] = back * channels[3u * c + 2u] + channels[3u * c];
  }
  workgroupBarrier();
  place_vector(token, thread);
}
