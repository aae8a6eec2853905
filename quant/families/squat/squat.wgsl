// Corrects keys: one workgroup per KV head and group of tokens goes through the channels block by
// block, quantizes a block as KIVI does, and adds what that got wrong to the channels behind it.

struct Job {
  heads: u32,
  head_dim: u32,
  // Tokens of room in the keys and in the corrected keys.
  capacity: u32,
  corrected_capacity: u32,
  first_token: u32,
  // Groups of tokens.
  groups: u32,
  group_size: u32,
  block_channels: u32,
  // Numbers that correct one head.
  correction_size: u32,
}

// Largest code per head.
@group(0) @binding(2) var<storage, read> top_codes: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<f32>;
// Per head, block after block: [channels of the block][later channels].
@group(0) @binding(4) var<storage, read> corrections: array<f32>;
@group(0) @binding(5) var<storage, read_write> corrected: array<f32>;
// What quantization got wrong, where the corrected keys have the block.
@group(0) @binding(6) var<storage, read_write> errors: array<f32>;

// As in squat_corrector_cpu.ts.
const most_error = 1e34;
const most_value = 3.4e38;

// A scale or zero point as it is stored.
fn stored(x: f32) -> f32 {
  if (parameter_type == parameters_f16) {
    return half_value(half_bits(x));
  }
  return x;
}

@compute @workgroup_size(workgroup_threads)
fn correct(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= job.heads * job.groups) {
    return;
  }
  let head = index / job.groups;
  let token = job.first_token + index % job.groups * job.group_size;
  let source = (head * job.capacity + token) * job.head_dim;
  let base = (head * job.corrected_capacity + token) * job.head_dim;
  for (var i = thread; i < job.group_size * job.head_dim; i += workgroup_threads) {
    let x = keys[source + i];
    if (!is_finite_value(x)) {
      report_not_finite(token + i / job.head_dim, job.heads, head);
    }
    corrected[base + i] = x;
  }
  storageBarrier();

  let top_code = f32(top_codes[head]);
  var matrix = head * job.correction_size;
  for (var first = 0u; first + job.block_channels < job.head_dim; first += job.block_channels) {
    for (var c = first + thread; c < first + job.block_channels; c += workgroup_threads) {
      var low = corrected[base + c];
      var high = low;
      for (var t = 1u; t < job.group_size; t++) {
        let x = corrected[base + t * job.head_dim + c];
        low = min(low, x);
        high = max(high, x);
      }
      let scale = (high - low) / top_code;
      let kept_scale = stored(scale);
      let kept_zero = stored(low);
      for (var t = 0u; t < job.group_size; t++) {
        let at = base + t * job.head_dim + c;
        let x = corrected[at];
        var code = 0.0;
        if (scale > 0.0 && is_finite_value(scale)) {
          code = clamp(round((x - low) / scale), 0.0, top_code);
        }
        errors[at] = clamp(code * kept_scale + kept_zero - x, -most_error, most_error);
      }
    }
    storageBarrier();
    let next = first + job.block_channels;
    let later = job.head_dim - next;
    for (var i = thread; i < job.group_size * later; i += workgroup_threads) {
      let row = base + i / later * job.head_dim;
      let c = i % later;
      var sum = 0.0;
      for (var k = 0u; k < job.block_channels; k++) {
        sum += errors[row + first + k] * corrections[matrix + k * later + c];
      }
      corrected[row + next + c] = clamp(corrected[row + next + c] + sum, -most_value, most_value);
    }
    matrix += job.block_channels * later;
    storageBarrier();
  }
}
