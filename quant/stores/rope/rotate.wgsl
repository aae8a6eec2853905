// Turns keys of a range of tokens in place (RoPE, pairs i and i + head_dim / 2), forth and back.

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

// A pair of channels of one token: where its first is, and how it turns.
struct Pair {
  at: u32,
  cosine: f32,
  sine: f32,
}

fn pairs() -> u32 {
  return job.heads * job.tokens * (job.head_dim / 2u);
}

fn pair_of(index: u32) -> Pair {
  let half = job.head_dim / 2u;
  let pair = index % half;
  let row = index / half;
  let token = job.from_token + row % job.tokens;
  let head = row / job.tokens;
  let at = (head * job.capacity + token) * job.head_dim + pair;
  return Pair(at, cosines[token * half + pair], sines[token * half + pair]);
}

@compute @workgroup_size(workgroup_threads)
fn rotate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= pairs()) {
    return;
  }
  let turn = pair_of(index);
  let other = turn.at + job.head_dim / 2u;
  let a = keys[turn.at];
  let b = keys[other];
  keys[turn.at] = a * turn.cosine - b * turn.sine;
  keys[other] = b * turn.cosine + a * turn.sine;
}

@compute @workgroup_size(workgroup_threads)
fn turn_back(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= pairs()) {
    return;
  }
  let turn = pair_of(index);
  let other = turn.at + job.head_dim / 2u;
  let a = keys[turn.at];
  let b = keys[other];
  let determinant = turn.cosine * turn.cosine + turn.sine * turn.sine;
  keys[turn.at] = (a * turn.cosine + b * turn.sine) / determinant;
  keys[other] = (b * turn.cosine - a * turn.sine) / determinant;
}
