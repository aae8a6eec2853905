// From the queries of the prompt to the corrections of SQuat (squat_subspace.ts): the Gram matrix of
// a KV head's queries, its eigenvectors by Jacobi rotations, and the weights swept over later
// channels.

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
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> queries: array<f32>;
@group(0) @binding(2) var<storage, read> cosines: array<f32>;
@group(0) @binding(3) var<storage, read> sines: array<f32>;
// [heads][head_dim][head_dim]: the Gram matrix, then its diagonal form, then the weights.
@group(0) @binding(4) var<storage, read_write> work: array<f32>;
// [heads][head_dim][head_dim]: eigenvectors in columns.
@group(0) @binding(5) var<storage, read_write> vectors: array<f32>;
@group(0) @binding(6) var<storage, read_write> corrections: array<f32>;

const workgroup_threads = 64u;
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

// One invocation per entry of the matrix.
@compute @workgroup_size(workgroup_threads)
fn gram(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = id.x + id.y * workgroups.x * workgroup_threads;
  let square = job.head_dim * job.head_dim;
  if (index >= job.heads * square) {
    return;
  }
  let head = index / square;
  let a = index % square / job.head_dim;
  let b = index % job.head_dim;
  var total = 0.0;
  for (var q = 0u; q < job.shared_heads; q++) {
    let first = (head * job.shared_heads + q) * job.capacity * job.head_dim;
    // Sums of sums: one long sum would lose digits.
    for (var start = 0u; start < job.tokens; start += 64u) {
      var sum = 0.0;
      for (var token = start; token < min(start + 64u, job.tokens); token++) {
        let row = first + token * job.head_dim;
        sum += query(row, token, a) * query(row, token, b);
      }
      total += sum;
    }
  }
  work[index] = total;
}

const sweeps = 10u;

var<workgroup> cosine: array<f32, channels>;
var<workgroup> sine: array<f32, channels>;
// Weight of each eigenvector; then a row and a column that are swept.
var<workgroup> weight: array<f32, channels>;
var<workgroup> column: array<f32, channels>;

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

// One workgroup per KV head.
@compute @workgroup_size(workgroup_threads)
fn subspace(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let n = channels;
  let head = workgroup.x;
  let base = head * n * n;
  for (var i = thread; i < n * n; i += workgroup_threads) {
    vectors[base + i] = select(0.0, 1.0, i / n == i % n);
  }
  storageBarrier();

  let players = n + n % 2u;
  let pairs = players / 2u;
  for (var turn = 0u; turn < sweeps * (players - 1u); turn++) {
    let round = turn % (players - 1u);
    for (var j = thread; j < pairs; j += workgroup_threads) {
      let p = pair(round, j, players);
      var c = 1.0;
      var s = 0.0;
      if (p.y < n) {
        let app = work[base + p.x * n + p.x];
        let aqq = work[base + p.y * n + p.y];
        let apq = work[base + p.x * n + p.y];
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
    workgroupBarrier();
    for (var i = thread; i < pairs * n; i += workgroup_threads) {
      let p = pair(round, i / n, players);
      if (p.y < n) {
        let c = cosine[i / n];
        let s = sine[i / n];
        let at_p = base + p.x * n + i % n;
        let at_q = base + p.y * n + i % n;
        let x = work[at_p];
        let y = work[at_q];
        work[at_p] = c * x - s * y;
        work[at_q] = s * x + c * y;
      }
    }
    storageBarrier();
    for (var i = thread; i < pairs * n; i += workgroup_threads) {
      let p = pair(round, i % pairs, players);
      if (p.y < n) {
        let c = cosine[i % pairs];
        let s = sine[i % pairs];
        let row = base + i / pairs * n;
        let x = work[row + p.x];
        let y = work[row + p.y];
        work[row + p.x] = c * x - s * y;
        work[row + p.y] = s * x + c * y;
        let v = vectors[row + p.x];
        let w = vectors[row + p.y];
        vectors[row + p.x] = c * v - s * w;
        vectors[row + p.y] = s * v + c * w;
      }
    }
    storageBarrier();
    workgroupBarrier();
  }

  // Eigenvalues in, weights out: those that are not among the largest weigh nothing.
  for (var i = thread; i < n; i += workgroup_threads) {
    let value = work[base + i * n + i];
    var larger = 0u;
    for (var j = 0u; j < n; j++) {
      let other = work[base + j * n + j];
      if (other > value || (other == value && j < i)) {
        larger++;
      }
    }
    let rank = min(job.subspace_dim, job.tokens * job.shared_heads);
    weight[i] = select(0.0, job.lambda * max(value, 0.0), larger < rank);
  }
  workgroupBarrier();
  storageBarrier();
  for (var i = thread; i < n * n; i += workgroup_threads) {
    let a = base + i / n * n;
    let b = base + i % n * n;
    var sum = select(0.0, 1.0, i / n == i % n);
    for (var k = 0u; k < n; k++) {
      sum += vectors[a + k] * vectors[b + k] * weight[k];
    }
    work[base + i] = sum;
  }
  storageBarrier();
  workgroupBarrier();

  // Sweeps over the last block, then the one before it, and so on; after each, the rows of the swept
  // channels hold what an error in the block before them adds to them, negated.
  let block = job.block_channels;
  for (var swept = n - 1u; swept >= block; swept--) {
    let inverse = 1.0 / work[base + swept * n + swept];
    for (var i = thread; i < n; i += workgroup_threads) {
      weight[i] = work[base + swept * n + i] * inverse;
      column[i] = work[base + i * n + swept];
    }
    storageBarrier();
    workgroupBarrier();
    for (var i = thread; i < n * n; i += workgroup_threads) {
      let r = i / n;
      let c = i % n;
      var value = work[base + i] - column[r] * weight[c];
      if (r == swept) {
        value = weight[c];
      }
      if (c == swept) {
        value = select(-column[r] * inverse, inverse, r == swept);
      }
      work[base + i] = value;
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
      for (var i = thread; i < block * later; i += workgroup_threads) {
        let k = i / later;
        corrections[offset + i] = -work[base + (swept + i % later) * n + first + k];
      }
    }
  }
}
