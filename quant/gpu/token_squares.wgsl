// Squares of one pair of KV tensors, summed per token over heads and channels: (real - restored)^2 and
// real^2. One workgroup per token; its threads add up channels side by side, then halve.

struct Job {
  heads: u32,
  head_dim: u32,
  real_capacity: u32,
  restored_capacity: u32,
  tokens: u32,
  first_result: u32,
}

override workgroup_threads: u32 = 64;

@group(0) @binding(0) var<storage, read> real: array<f32>;
@group(0) @binding(1) var<storage, read> restored: array<f32>;
@group(0) @binding(2) var<storage, read_write> results: array<vec2f>;
@group(0) @binding(3) var<uniform> job: Job;

var<workgroup> sums: array<vec2f, workgroup_threads>;

@compute @workgroup_size(workgroup_threads)
fn token_squares(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let token = group.y * groups.x + group.x;
  if (token >= job.tokens) {
    return;
  }
  var sum = vec2f(0.0);
  for (var i = thread; i < job.heads * job.head_dim; i += workgroup_threads) {
    let head = i / job.head_dim;
    let channel = i % job.head_dim;
    let x = real[(head * job.real_capacity + token) * job.head_dim + channel];
    let y = restored[(head * job.restored_capacity + token) * job.head_dim + channel];
    sum += vec2f((x - y) * (x - y), x * x);
  }
  sums[thread] = sum;
  workgroupBarrier();
  for (var half = workgroup_threads / 2; half > 0; half /= 2) {
    if (thread < half) {
      sums[thread] += sums[thread + half];
    }
    workgroupBarrier();
  }
  if (thread == 0) {
    results[job.first_result + token] = sums[0];
  }
}
