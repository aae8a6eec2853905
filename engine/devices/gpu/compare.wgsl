// How rows of logits compare with those of the reference: a part of a row a workgroup, put together on
// the host, which has float64.

struct Job {
  vocab: u32,
  // Numbers from one row to the next.
  stride: u32,
  // Parts of a row, and numbers of each.
  parts: u32,
  part: u32,
  // Workgroups that have something to do.
  count: u32,
}

struct Compared {
  // Largest logit, and the sum of the exponentials of all less it.
  reference_top: f32,
  reference_sum: f32,
  top: f32,
  sum: f32,
  // Of the reference's exponentials, times what the logits are less than the reference's.
  weighted: f32,
  // The first place of the largest logit.
  best: u32,
}

@group(0) @binding(2) var<storage, read> reference: array<f32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;
// Of each row, which row of the reference it is compared with.
@group(0) @binding(4) var<storage, read> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> compared: array<Compared>;

const compare_threads = 256u;

var<workgroup> tops: array<vec2f, compare_threads>;
var<workgroup> places: array<u32, compare_threads>;
var<workgroup> sums: array<vec4f, compare_threads>;

@compute @workgroup_size(compare_threads)
fn compare_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = flat_workgroup(id, workgroups);
  if (place >= job.count) {
    return;
  }
  let row = place / job.parts;
  let first = place % job.parts * job.part;
  let end = min(job.vocab, first + job.part);
  let theirs = rows[row] * job.vocab;
  let own = row * job.stride;

  var top = vec2f(-3.4e38);
  var best = end;
  for (var i = first + lane; i < end; i += compare_threads) {
    let logit = logits[own + i];
    top.x = max(top.x, reference[theirs + i]);
    if (logit > top.y || best == end) {
      top.y = logit;
      best = i;
    }
  }
  tops[lane] = top;
  places[lane] = best;
  workgroupBarrier();
  for (var half = compare_threads / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let other = tops[lane + half];
      let at = places[lane + half];
      if (other.y > tops[lane].y || (other.y == tops[lane].y && at < places[lane])) {
        tops[lane].y = other.y;
        places[lane] = at;
      }
      tops[lane].x = max(tops[lane].x, other.x);
    }
    workgroupBarrier();
  }

  top = tops[0];
  var sum = vec4f();
  for (var i = first + lane; i < end; i += compare_threads) {
    let a = reference[theirs + i];
    let b = logits[own + i];
    let weight = exp(a - top.x);
    sum += vec4f(weight, exp(b - top.y), weight * (a - b), 0.0);
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = compare_threads / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    compared[place] = Compared(top.x, sums[0].x, top.y, sums[0].y, sums[0].z, places[0]);
  }
}
