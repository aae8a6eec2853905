// The largest attention weight on each key from the last query rows (attention_maxima.ts).

struct Job {
  query_heads: u32,
  kv_heads: u32,
  head_dim: u32,
  query_capacity: u32,
  key_capacity: u32,
  // Tokens of the cache, and the first query row that counts.
  cache_tokens: u32,
  first_row: u32,
  rows: u32,
  // Tokens whose weights are wanted.
  first: u32,
  tokens: u32,
  // Where the layer's weights begin.
  place: u32,
  inverse_root: f32,
}

@group(0) @binding(2) var<storage, read> queries: array<f32>;
@group(0) @binding(3) var<storage, read> keys: array<f32>;
// Per query head and row: largest score, and the sum of exp(score - largest).
@group(0) @binding(4) var<storage, read_write> row_sums: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> maxima: array<f32>;

fn score(query_head: u32, row: u32, token: u32) -> f32 {
  let head = query_head / (job.query_heads / job.kv_heads);
  let q = (query_head * job.query_capacity + row) * job.head_dim;
  let k = (head * job.key_capacity + token) * job.head_dim;
  var dot = 0.0;
  for (var d = 0u; d < job.head_dim; d++) {
    dot += queries[q + d] * keys[k + d];
  }
  return dot * job.inverse_root;
}

// One workgroup per query head and row.
@compute @workgroup_size(workgroup_threads)
fn sum_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= job.query_heads * job.rows) {
    return;
  }
  let query_head = index / job.rows;
  let row = job.first_row + index % job.rows;
  var largest = -3.0e38;
  for (var token = lane; token <= row; token += workgroup_threads) {
    largest = max(largest, score(query_head, row, token));
  }
  largest = largest_of(largest, lane);
  var sum = 0.0;
  for (var token = lane; token <= row; token += workgroup_threads) {
    sum += exp(score(query_head, row, token) - largest);
  }
  // Added up from the first to the last; `sum_of` would round in another order.
  workgroupBarrier();
  lane_values[lane] = sum;
  workgroupBarrier();
  if (lane == 0u) {
    var total = 0.0;
    for (var other = 0u; other < workgroup_threads; other++) {
      total += lane_values[other];
    }
    row_sums[index] = vec2f(largest, total);
  }
}

// One invocation per KV head and token.
@compute @workgroup_size(workgroup_threads)
fn largest_weights(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index >= job.kv_heads * job.tokens) {
    return;
  }
  let head = index / job.tokens;
  let token = job.first + index % job.tokens;
  let heads_each = job.query_heads / job.kv_heads;
  var most = 0.0;
  for (var g = 0u; g < heads_each; g++) {
    let query_head = head * heads_each + g;
    for (var r = 0u; r < job.rows; r++) {
      let row = job.first_row + r;
      if (row >= token) {
        let sums = row_sums[query_head * job.rows + r];
        most = max(most, exp(score(query_head, row, token) - sums.x) / sums.y);
      }
    }
  }
  maxima[job.place + index] = most;
}
