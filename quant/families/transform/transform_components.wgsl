// From vectors to components and back: one workgroup per token.
//
// `places` (u32), per stored component: its block, and its index there. `constants` (f32): means, and
// the matrices [component][channel] forward and back.

@group(0) @binding(2) var<storage, read> places: array<vec2u>;
@group(0) @binding(3) var<storage, read> constants: array<f32>;
// Every stored component.
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(6) var<storage, read> cosine: array<f32>;
@group(0) @binding(7) var<storage, read> sine: array<f32>;

const half_max = 65504.0;
// heads * headDim of the model.
override channels: u32 = 128u;

var<workgroup> vector: array<f32, channels>;
var<workgroup> component: array<f32, channels>;

// Where the row of stored component k starts in a list of matrices.
fn matrix_row(k: u32) -> u32 {
  let block_channels = job.block_heads * job.head_dim;
  return (places[k].x * block_channels + places[k].y) * block_channels;
}

// A product of entries near the end of the float range may overflow; a number must come out.
fn finite_half(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0.0;
  }
  if ((bits & 0x7fffffffu) > bitcast<u32>(half_max)) {
    return select(half_max, -half_max, bits >> 31u == 1u);
  }
  return x;
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
  for (var c = thread; c < channels; c += workgroup_threads) {
    let head = c / job.head_dim;
    let x = tensor[(head * job.capacity + token) * job.head_dim + c % job.head_dim];
    if (!is_finite_value(x)) {
      report_not_finite(token, job.heads, head);
    }
    vector[c] = x - constants[c];
  }
  workgroupBarrier();
  let block_channels = job.block_heads * job.head_dim;
  for (var k = thread; k < job.stored; k += workgroup_threads) {
    let row = job.forward + matrix_row(k);
    let start = places[k].x * block_channels;
    var sum = 0.0;
    for (var c = 0u; c < block_channels; c++) {
      sum += constants[row + c] * vector[start + c];
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
  for (var c = thread; c < channels; c += workgroup_threads) {
    let block = c / block_channels;
    var sum = 0.0;
    for (var k = 0u; k < job.stored; k++) {
      if (places[k].x == block) {
        sum += component[k] * constants[job.inverse + matrix_row(k) + c % block_channels];
      }
    }
    vector[c] = sum + constants[c];
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
