// From the queries of the prompt to the corrections of SQuat (squat_subspace.ts): the Gram matrix of
// a KV head's queries, its eigenvectors by Jacobi rotations, and the weights swept over later
// channels. Long loops are cut into several dispatches: software drivers end the loops of a kernel
// after 65,535 turns in all, and others watch for kernels that take long.

struct Job {
  heads: u32,
  head_dim: u32,
  // Tokens of room in the queries, and how many of them are the prompt's.
  capacity: u32,
  tokens: u32,
  // Query heads per KV head.
  shared_heads: u32,
  subspace_dim: u32,
  block_channels: u32,
  correction_size: u32,
  lambda: f32,
  // Not 0: turn the queries back to what they were before RoPE.
  turn_back: u32,
  // What this dispatch does: tokens of the Gram matrix, turns of the rotations, or, downwards,
  // channels that are swept.
  first: u32,
  last: u32,
}

@group(0) @binding(2) var<storage, read> queries: array<f32>;
@group(0) @binding(3) var<storage, read> cosines: array<f32>;
@group(0) @binding(4) var<storage, read> sines: array<f32>;
// [heads][head_dim][head_dim]: the Gram matrix, then its diagonal form.
@group(0) @binding(5) var<storage, read_write> gram_matrix: array<f32>;
// [heads][head_dim][head_dim]: eigenvectors in columns.
@group(0) @binding(6) var<storage, read_write> vectors: array<f32>;
// [heads][head_dim]: what each eigenvector adds to the weights.
@group(0) @binding(7) var<storage, read_write> values: array<f32>;
// [heads][head_dim][head_dim], swept in place.
@group(0) @binding(8) var<storage, read_write> weights: array<f32>;
@group(0) @binding(9) var<storage, read_write> corrections: array<f32>;

// Of the kernels that have one workgroup per head.
const head_threads = 256u;
override channels: u32 = 64u;

fn query(row: u32, token: u32, channel: u32) -> f32 {
  let at = row + channel;
  if (job.turn_back == 0u) {
    return queries[at];
  }
  let half = job.head_dim / 2u;
  let angle = token * half + channel % half;
  if (channel < half) {
    return queries[at] * cosines[angle] + queries[at + half] * sines[angle];
  }
  return queries[at] * cosines[angle] - queries[at - half] * sines[angle];
}

// Adds some tokens to the Gram matrix and starts the eigenvectors: one invocation per entry.
@compute @workgroup_size(workgroup_threads)
fn gram(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  let square = job.head_dim * job.head_dim;
  if (index >= job.heads * square) {
    return;
  }
  let head = index / square;
  let a = index % square / job.head_dim;
  let b = index % job.head_dim;
  var sum = 0.0;
  for (var q = 0u; q < job.shared_heads; q++) {
    let first = (head * job.shared_heads + q) * job.capacity * job.head_dim;
    for (var token = job.first; token < job.last; token++) {
      let row = first + token * job.head_dim;
      sum += query(row, token, a) * query(row, token, b);
    }
  }
  gram_matrix[index] += sum;
  vectors[index] = select(0.0, 1.0, a == b);
}

var<workgroup> cosine: array<f32, channels>;
var<workgroup> sine: array<f32, channels>;

// The pairs of one round of a tournament in which everybody meets everybody.
fn pair(round: u32, j: u32, players: u32) -> vec2u {
  let others = players - 1u;
  var a = (round + j) % others;
  var b = (round + others - j) % others;
  if (j == 0u) {
    b = others;
  }
  return vec2u(min(a, b), max(a, b));
}

// Turns pairs of axes so that the matrix becomes diagonal: one workgroup per head.
@compute @workgroup_size(head_threads)
fn diagonalize(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let n = channels;
  let base = workgroup.x * n * n;
  let players = n + n % 2u;
  let pairs = players / 2u;
  for (var turn = job.first; turn < job.last; turn++) {
    let round = turn % (players - 1u);
    for (var j = thread; j < pairs; j += head_threads) {
      let p = pair(round, j, players);
      var c = 1.0;
      var s = 0.0;
      if (p.y < n) {
        let app = gram_matrix[base + p.x * n + p.x];
        let aqq = gram_matrix[base + p.y * n + p.y];
        let apq = gram_matrix[base + p.x * n + p.y];
        if (abs(apq) > 1e-10 * sqrt(abs(app * aqq)) + 1e-30) {
          let theta = (aqq - app) / (2.0 * apq);
          var t = 1.0 / (abs(theta) + sqrt(1.0 + theta * theta));
          if (theta < 0.0) {
            t = -t;
          }
          c = 1.0 / sqrt(1.0 + t * t);
          s = t * c;
        }
      }
      cosine[j] = c;
      sine[j] = s;
    }
    storageBarrier();
    workgroupBarrier();
    for (var i = thread; i < pairs * n; i += head_threads) {
      let p = pair(round, i / n, players);
      if (p.y < n) {
        let c = cosine[i / n];
        let s = sine[i / n];
        let at_p = base + p.x * n + i % n;
        let at_q = base + p.y * n + i % n;
        let x = gram_matrix[at_p];
        let y = gram_matrix[at_q];
        gram_matrix[at_p] = c * x - s * y;
        gram_matrix[at_q] = s * x + c * y;
      }
    }
    storageBarrier();
    for (var i = thread; i < pairs * n; i += head_threads) {
      let p = pair(round, i % pairs, players);
      if (p.y < n) {
        let c = cosine[i % pairs];
        let s = sine[i % pairs];
        let row = base + i / pairs * n;
        let x = gram_matrix[row + p.x];
        let y = gram_matrix[row + p.y];
        gram_matrix[row + p.x] = c * x - s * y;
        gram_matrix[row + p.y] = s * x + c * y;
        let v = vectors[row + p.x];
        let w = vectors[row + p.y];
        vectors[row + p.x] = c * v - s * w;
        vectors[row + p.y] = s * v + c * w;
      }
    }
    storageBarrier();
    workgroupBarrier();
  }
}

// The largest eigenvalues, times lambda; the others weigh nothing. One invocation per eigenvalue.
@compute @workgroup_size(workgroup_threads)
fn select_largest(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  let n = job.head_dim;
  if (index >= job.heads * n) {
    return;
  }
  let base = index / n * n * n;
  let i = index % n;
  let value = gram_matrix[base + i * n + i];
  var larger = 0u;
  for (var j = 0u; j < n; j++) {
    let other = gram_matrix[base + j * n + j];
    if (other > value || (other == value && j < i)) {
      larger++;
    }
  }
  let rank = min(job.subspace_dim, job.tokens * job.shared_heads);
  values[index] = select(0.0, job.lambda * max(value, 0.0), larger < rank);
}

// The weights of errors: one invocation per entry.
@compute @workgroup_size(workgroup_threads)
fn weigh(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  let n = job.head_dim;
  if (index >= job.heads * n * n) {
    return;
  }
  let head = index / (n * n);
  let a = index / n * n;
  let b = (head * n + index % n) * n;
  var sum = select(0.0, 1.0, a == b);
  for (var k = 0u; k < n; k++) {
    sum += vectors[a + k] * vectors[b + k] * values[head * n + k];
  }
  weights[index] = sum;
}

var<workgroup> swept_row: array<f32, channels>;
var<workgroup> swept_column: array<f32, channels>;

// Sweeps channels from the last one down; when a block is done, the rows of all swept channels hold
// what an error in the block before them adds to them, negated. One workgroup per head.
@compute @workgroup_size(head_threads)
fn sweep(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let n = channels;
  let head = workgroup.x;
  let base = head * n * n;
  let block = job.block_channels;
  for (var k = job.first; k > job.last; k--) {
    let swept = k - 1u;
    let inverse = 1.0 / weights[base + swept * n + swept];
    for (var i = thread; i < n; i += head_threads) {
      swept_row[i] = weights[base + swept * n + i] * inverse;
      swept_column[i] = weights[base + i * n + swept];
    }
    storageBarrier();
    workgroupBarrier();
    for (var i = thread; i < n * n; i += head_threads) {
      let r = i / n;
      let c = i % n;
      var value = weights[base + i] - swept_column[r] * swept_row[c];
      if (r == swept) {
        value = swept_row[c];
      }
      if (c == swept) {
        value = select(-swept_column[r] * inverse, inverse, r == swept);
      }
      weights[base + i] = value;
    }
    storageBarrier();
    workgroupBarrier();
    if (swept % block == 0u) {
      let later = n - swept;
      let first = swept - block;
      // Blocks before this one: [block][later] each.
      let before = first / block;
      let offset = head * job.correction_size +
        block * (before * n - block * before * (before + 1u) / 2u);
      for (var i = thread; i < block * later; i += head_threads) {
        let channel = i / later;
        corrections[offset + i] = -weights[base + (swept + i % later) * n + first + channel];
      }
    }
  }
}
