// Where the codes, outliers and exceptions of each group of a dispatch begin.

@group(0) @binding(2) var<storage, read_write> records: array<Record>;
// Totals over all tokens so far: codes, their bits, outliers, exceptions.
@group(0) @binding(3) var<storage, read_write> state: vec4u;
// The same up to and including each token of the cache.
@group(0) @binding(4) var<storage, read_write> totals: array<vec4u>;

fn counts(record: Record) -> vec4u {
  let codes = fixed_group_size - record.outliers;
  return vec4u(
    select(codes, 0u, record.bits == 0u),
    codes * record.bits,
    record.outliers,
    select(0u, 1u, record.outliers != job.nominal),
  );
}

// Counts of every workgroup's tokens, and behind them the state as it was before.
@group(0) @binding(5) var<storage, read_write> blocks: array<vec4u>;

fn counts_of_token(token: u32) -> vec4u {
  var sum = vec4u(0u);
  if (token < job.tokens) {
    for (var g = token * fixed_groups; g < (token + 1u) * fixed_groups; g++) {
      sum += counts(records[g]);
    }
  }
  return sum;
}

// Before `place`, where one workgroup does not have all tokens.
@compute @workgroup_size(workgroup_threads)
fn count_tokens(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = flat_workgroup(id, workgroups);
  if (block >= token_blocks()) {
    return;
  }
  _ = sum_before(counts_of_token(block * workgroup_threads + lane), lane);
  if (lane == 0u) {
    blocks[block] = summed_counts();
    if (block == 0u) {
      blocks[token_blocks()] = state;
    }
  }
}

fn token_blocks() -> u32 {
  return (job.tokens + workgroup_threads - 1u) / workgroup_threads;
}

// One invocation for each token.
@compute @workgroup_size(workgroup_threads)
fn place(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = flat_workgroup(id, workgroups);
  if (block >= token_blocks()) {
    return;
  }
  var start = state;
  if (token_blocks() > 1u) {
    start = blocks[token_blocks()];
    var sum = vec4u(0u);
    for (var other = lane; other < block; other += workgroup_threads) {
      sum += blocks[other];
    }
    _ = sum_before(sum, lane);
    start += summed_counts();
  }
  let token = block * workgroup_threads + lane;
  var at = start + sum_before(counts_of_token(token), lane);
  if (token >= job.tokens) {
    return;
  }
  for (var g = token * fixed_groups; g < (token + 1u) * fixed_groups; g++) {
    let record = records[g];
    records[g].code_bit = at.y;
    records[g].outlier = at.z;
    if (record.outliers != job.nominal) {
      records[g].exception = at.w;
    }
    at += counts(record);
  }
  totals[job.first + token] = at;
  if (token == job.tokens - 1u) {
    state = at;
  }
}
