// A search that moves the zero points of all groups, one round at a time, whatever the order of groups.
// The family supplies `searched`: what an entry adds to the error of a group, and to its zero point.

@group(0) @binding(7) var<storage, read_write> errors: array<f32>;

struct Search {
  best: f32,
  done: u32,
}
@group(0) @binding(8) var<storage, read_write> search: Search;

// One invocation per group.
@compute @workgroup_size(workgroup_threads)
fn improve(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let group = flat_index(id, workgroups);
  if (group >= job.segments * job.groups || search.done != 0u) {
    return;
  }
  let segment = group / job.groups;
  let k = group % job.groups;
  let pair = fitted[group];
  if (pair.x == 0.0) {
    errors[group] = 0.0;
    return;
  }
  let top_code = top_code_of(segment);
  var total = 0.0;
  var fitting = 0.0;
  for (var i = 0u; i < job.group_size; i++) {
    let found = searched(source[entry(segment, k, i)], pair, top_code);
    total += found.x;
    fitting += found.y;
  }
  errors[group] = total;
  fitted[group].y = fitting / f32(job.group_size);
}

// One workgroup: ends the search when the error of all groups did not get better.
@compute @workgroup_size(workgroup_threads)
fn compare(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < job.segments * job.groups; i += workgroup_threads) {
    sum += errors[i];
  }
  sum = sum_of(sum, lane);
  if (lane == 0u && search.done == 0u) {
    if (sum < search.best) {
      search.best = sum;
    } else {
      search.done = 1u;
    }
  }
}
