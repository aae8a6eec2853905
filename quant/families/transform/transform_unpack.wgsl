// The axes of `transform` as floats, which a launch reads many times.

// Packed rows of the stored axes, and what makes the length of each one 1.
@group(0) @binding(3) var<storage, read> matrix: array<u32>;
@group(0) @binding(4) var<storage, read> lengths: array<f32>;
// The axes of a block behind those of the blocks before it: axis after axis, and channel after channel.
@group(0) @binding(5) var<storage, read_write> by_axis: array<f32>;
@group(0) @binding(6) var<storage, read_write> by_channel: array<f32>;

// One workgroup per stored axis.
@compute @workgroup_size(workgroup_threads)
fn unpack_axes(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let k = flat_workgroup(id, workgroups);
  if (k >= job.stored) {
    return;
  }
  let axis = axes[k];
  let block = block_at(axis >> 4u & 0xffu);
  let bits = axis & 0xfu;
  let offset = (1 << (bits - 1u)) - 1;
  for (var c = thread; c < block_channels; c += workgroup_threads) {
    let bit = c * bits;
    let word = (axis >> 12u) + (bit >> 5u);
    let shift = bit & 31u;
    var code = matrix[word] >> shift;
    if (shift + bits > 32u) {
      code |= matrix[word + 1u] << (32u - shift);
    }
    let entry = f32(i32(code & ((1u << bits) - 1u)) - offset) * lengths[k];
    by_axis[k * block_channels + c] = entry;
    by_channel[block.x * block_channels + c * block.y + k - block.x] = entry;
  }
}
