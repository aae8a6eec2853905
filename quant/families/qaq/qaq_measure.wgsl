// Groups of any size, one workgroup each.

var<workgroup> inner_low: atomic<u32>;
var<workgroup> inner_high: atomic<u32>;
var<workgroup> inner_outliers: atomic<u32>;

@compute @workgroup_size(workgroup_threads)
fn measure_groups(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= job.tokens * fixed_groups) {
    return;
  }
  let group = index % fixed_groups;
  group_entry = group * fixed_group_size;
  group_token = index / fixed_groups;
  let token = job.first + group_token;
  let count = fixed_group_size;

  keep_elements(count, lane);
  var low = 0.0;
  var high = 0.0;
  if (sparse) {
    let ranks = vec4u(job.low_rank, job.low_rank, job.high_rank, job.high_rank);
    let found = order_statistics(count, ranks, lane);
    low = found.x;
    high = found.z;
  }
  if (lane == 0u) {
    atomicStore(&inner_low, 0xffffffffu);
    atomicStore(&inner_high, 0u);
    atomicStore(&inner_outliers, 0u);
  }
  workgroupBarrier();
  var sum = 0.0;
  var mine = 0u;
  var least_key = no_key;
  var most_key = 0u;
  for (var i = lane; i < count; i += workgroup_threads) {
    let x = kept_element(count, i);
    if (!is_finite_value(x)) {
      let heads = fixed_groups * fixed_group_size / fixed_head_dim;
      report_not_finite(token, heads, (group_entry + i) / fixed_head_dim);
    }
    if (is_outlier(x, low, high)) {
      mine++;
    } else {
      sum += x;
      least_key = min(least_key, ordered_key(x));
      most_key = max(most_key, ordered_key(x));
    }
  }
  atomicAdd(&inner_outliers, mine);
  atomicMin(&inner_low, least_key);
  atomicMax(&inner_high, most_key);
  let all = sum_of(sum, lane);
  let masked = atomicLoad(&inner_outliers);
  let kept = count - masked;
  var mean = 0.0;
  var range = 0.0;
  if (kept > 0u) {
    mean = all / f32(kept);
    let least = from_ordered_key(atomicLoad(&inner_low));
    let most = from_ordered_key(atomicLoad(&inner_high));
    range = range_of(least, most);
  }
  var deviation = 0.0;
  if (normal) {
    var squares = 0.0;
    for (var i = lane; i < count; i += workgroup_threads) {
      let x = kept_element(count, i);
      if (!is_outlier(x, low, high)) {
        squares += (x - mean) * (x - mean);
      }
    }
    let spread = sum_of(squares, lane);
    if (kept > 1u) {
      deviation = sqrt(spread / f32(kept - 1u));
    }
  }
  if (lane == 0u) {
    note_group(index, mean, range, deviation, low, high, masked);
  }
}
