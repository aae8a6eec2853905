// Where the codes, outliers and exceptions of each group of a dispatch begin.

@group(0) @binding(2) var<storage, read_write> records: array<Record>;
// Totals over all tokens so far: codes, their bits, outliers, exceptions.
@group(0) @binding(3) var<storage, read_write> state: vec4u;
// The same up to and including each token of the cache.
@group(0) @binding(4) var<storage, read_write> totals: array<vec4u>;

fn counts(record: Record) -> vec4u {
  let codes = job.group_size - record.outliers;
  return vec4u(
    select(codes, 0u, record.bits == 0u),
    codes * record.bits,
    record.outliers,
    select(0u, 1u, record.outliers != job.nominal),
  );
}

// One workgroup: each invocation adds up a run of tokens.
@compute @workgroup_size(workgroup_threads)
fn place(@builtin(local_invocation_index) lane: u32) {
  let run = (job.tokens + workgroup_threads - 1u) / workgroup_threads;
  let first = min(lane * run, job.tokens);
  let end = min(first + run, job.tokens);
  var sum = vec4u(0u);
  for (var g = first * job.groups; g < end * job.groups; g++) {
    sum += counts(records[g]);
  }
  var at = state + sum_before(sum, lane);
  for (var token = first; token < end; token++) {
    for (var g = token * job.groups; g < (token + 1u) * job.groups; g++) {
      records[g].code_bit = at.y;
      records[g].outlier = at.z;
      if (records[g].outliers != job.nominal) {
        records[g].exception = at.w;
      }
      at += counts(records[g]);
    }
    totals[job.first + token] = at;
  }
  if (lane == workgroup_threads - 1u) {
    state = at;
  }
}
