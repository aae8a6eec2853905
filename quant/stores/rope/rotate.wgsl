// Rotates keys of a range of tokens in place (RoPE, pairs i and i + head_dim / 2).

struct Job {
  heads: u32,
  head_dim: u32,
  capacity: u32,
  from_token: u32,
  tokens: u32,
}

@group(0) @binding(2) var<storage, read> cosines: array<f32>;
@group(0) @binding(3) var<storage, read> sines: array<f32>;
@group(0) @binding(4) var<storage, read_write> keys: array<f32>;

@compute @workgroup_size(workgroup_threads)
fn rotate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  let half = job.head_dim / 2u;
  if (index >= job.heads * job.tokens * half) {
    return;
  }
  let pair = index % half;
  let row = index / half;
  let token = job.from_token + row % job.tokens;
  let head = row / job.tokens;
  let at = (head * job.capacity + token) * job.head_dim + pair;
  let cosine = cosines[token * half + pair];
  let sine = sines[token * half + pair];
  let a = keys[at];
  let b = keys[at + half];
  keys[at] = a * cosine - b * sine;
  keys[at + half] = b * cosine + a * sine;
}
