// The frame that every kernel stands in: which invocation or workgroup it is, its parameters, the
// report of input that is not finite, and sums over a workgroup. The text behind it declares
//   struct Job   the parameters of a launch
// and its own buffers from binding 2 on.

const workgroup_threads = 64u;

@group(0) @binding(0) var<uniform> job: Job;

// Smallest place of a value that is not finite: token * heads + head.
@group(0) @binding(1) var<storage, read_write> failure: atomic<u32>;

// Launches have two dimensions, because one holds 65,535 workgroups at most.
fn flat_index(id: vec3u, workgroups: vec3u) -> u32 {
  return id.x + id.y * workgroups.x * workgroup_threads;
}

fn flat_workgroup(id: vec3u, workgroups: vec3u) -> u32 {
  return id.x + id.y * workgroups.x;
}

fn report_not_finite(token: u32, heads: u32, head: u32) {
  atomicMin(&failure, token * heads + head);
}

// Every invocation of a workgroup calls the functions below, and `lane` is its number.

var<workgroup> lane_values: array<f32, workgroup_threads>;

// The sum of all invocations' values, in all of them.
fn sum_of(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  lane_values[lane] = value;
  workgroupBarrier();
  for (var half = workgroup_threads / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      lane_values[lane] += lane_values[lane + half];
    }
    workgroupBarrier();
  }
  return lane_values[0];
}

fn largest_of(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  lane_values[lane] = value;
  workgroupBarrier();
  for (var half = workgroup_threads / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      lane_values[lane] = max(lane_values[lane], lane_values[lane + half]);
    }
    workgroupBarrier();
  }
  return lane_values[0];
}

var<workgroup> lane_counts: array<vec4u, workgroup_threads>;

// The sum of the values of the invocations before this one.
fn sum_before(value: vec4u, lane: u32) -> vec4u {
  workgroupBarrier();
  lane_counts[lane] = value;
  workgroupBarrier();
  for (var step = 1u; step < workgroup_threads; step *= 2u) {
    var sum = lane_counts[lane];
    if (lane >= step) {
      sum += lane_counts[lane - step];
    }
    workgroupBarrier();
    lane_counts[lane] = sum;
    workgroupBarrier();
  }
  return lane_counts[lane] - value;
}

// The sum of all invocations' values, behind `sum_before` of the same values.
fn summed_counts() -> vec4u {
  return lane_counts[workgroup_threads - 1u];
}
