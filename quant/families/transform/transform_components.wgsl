// From vectors to components and back: one workgroup per token.

// Of every stored axis its bits of an entry, above them its block and the word it begins with.
@group(0) @binding(2) var<storage, read> axes: array<u32>;
// Of every channel its mean, and above it its scale, both bfloat16.
@group(0) @binding(3) var<storage, read> channels: array<u32>;
// Every stored component.
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(6) var<storage, read> cosine: array<f32>;
@group(0) @binding(7) var<storage, read> sine: array<f32>;
// Packed rows of the stored axes, and what makes the length of each one 1.
@group(0) @binding(8) var<storage, read> matrix: array<u32>;
@group(0) @binding(9) var<storage, read> lengths: array<f32>;

// Terms of the series that inverts the axes, behind the first.
override series_terms: u32 = 3u;

var<workgroup> rest: array<f32, most_channels>;
var<workgroup> component: array<f32, most_channels>;

fn mean_of(c: u32) -> f32 {
  return bitcast<f32>(channels[c] << 16u);
}

fn scale_of(c: u32) -> f32 {
  return bitcast<f32>(channels[c] & 0xffff0000u);
}

// Block of a stored component.
fn block_of(k: u32) -> u32 {
  return axes[k] >> 4u & 0xffu;
}

// Entry of a stored axis at a channel of its block.
fn axis_entry(k: u32, c: u32) -> f32 {
  let axis = axes[k];
  let bits = axis & 0xfu;
  let bit = c * bits;
  let word = (axis >> 12u) + (bit >> 5u);
  let shift = bit & 31u;
  var code = matrix[word] >> shift;
  if (shift + bits > 32u) {
    code |= matrix[word + 1u] << (32u - shift);
  }
  let offset = (1 << (bits - 1u)) - 1;
  return f32(i32(code & ((1u << bits) - 1u)) - offset) * lengths[k];
}

// What the components of a block make of one of its channels.
fn turned_back(block: u32, c: u32) -> f32 {
  var sum = 0.0;
  for (var k = 0u; k < job.stored; k++) {
    if (block_of(k) == block) {
      sum += component[k] * axis_entry(k, c);
    }
  }
  return sum;
}

// What the rest has along an axis.
fn along(k: u32, block_channels: u32) -> f32 {
  let first = block_of(k) * block_channels;
  var sum = 0.0;
  for (var c = 0u; c < block_channels; c++) {
    sum += axis_entry(k, c) * rest[first + c];
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
    vector[c] = (x - mean_of(c)) * scale_of(c);
  }
  let block_channels = job.block_heads * job.head_dim;
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    component[k] = 0.0;
  }
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    rest[c] = vector[c];
  }
  workgroupBarrier();
  // Axes are nearly orthogonal: what they leave goes through them again.
  for (var term = 0u; term < series_terms; term++) {
    for (var k = thread; k < job.stored; k += workgroup_threads) {
      component[k] += along(k, block_channels);
    }
    workgroupBarrier();
    for (var c = thread; c < most_channels; c += workgroup_threads) {
      rest[c] = vector[c] - turned_back(c / block_channels, c % block_channels);
    }
    workgroupBarrier();
  }
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    values[index * job.stored + k] = finite_half(component[k] + along(k, block_channels));
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
    // A channel of scale 0 is its mean.
    let scale = scale_of(c);
    vector[c] = mean_of(c);
    if (scale != 0.0) {
      vector[c] += back / scale;
    }
  }
  workgroupBarrier();
  place_vector(token, thread);
}
