// Squares of one pair of KV tensors, summed over channels: (real - restored)^2 and real^2. One workgroup
// per head and token.

struct Job {
  heads: u32,
  head_dim: u32,
  real_capacity: u32,
  restored_capacity: u32,
  tokens: u32,
  first_result: u32,
}

@group(0) @binding(2) var<storage, read> real: array<f32>;
@group(0) @binding(3) var<storage, read> restored: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: array<vec2f>;

@compute @workgroup_size(workgroup_threads)
fn token_squares(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = flat_workgroup(id, workgroups);
  if (row >= job.heads * job.tokens) {
    return;
  }
  let head = row / job.tokens;
  let token = row % job.tokens;
  var error = 0.0;
  var norm = 0.0;
  for (var channel = lane; channel < job.head_dim; channel += workgroup_threads) {
    let x = real[(head * job.real_capacity + token) * job.head_dim + channel];
    let y = restored[(head * job.restored_capacity + token) * job.head_dim + channel];
    error += (x - y) * (x - y);
    norm += x * x;
  }
  error = sum_of(error, lane);
  norm = sum_of(norm, lane);
  if (lane == 0u) {
    results[job.first_result + row] = vec2f(error, norm);
  }
}
