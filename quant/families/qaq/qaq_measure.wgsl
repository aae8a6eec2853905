@group(0) @binding(3) var<storage, read> group_bits: array<u32>;
// Largest attention of every head of every layer for each token of the dispatch.
@group(0) @binding(4) var<storage, read> attention: array<f32>;
@group(0) @binding(5) var<storage, read_write> records: array<Record>;
// Atomic because half-precision scales without means share words, and so do widths.
@group(0) @binding(6) var<storage, read_write> scale_mean: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> widths: array<atomic<u32>>;

var<workgroup> inner_low: atomic<u32>;
var<workgroup> inner_high: atomic<u32>;
var<workgroup> outliers: atomic<u32>;

fn store_parameter(place: u32, value: f32) {
  if (wide) {
    atomicStore(&scale_mean[place], bitcast<u32>(value));
  } else {
    atomicOr(&scale_mean[place / 2u], half_into(value, place));
  }
}

@compute @workgroup_size(workgroup_threads)
fn measure(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= job.tokens * job.groups) {
    return;
  }
  let group = index % job.groups;
  group_entry = group * job.group_size;
  group_token = index / job.groups;
  let token = job.first + group_token;
  let count = job.group_size;

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
    atomicStore(&outliers, 0u);
  }
  workgroupBarrier();
  var sum = 0.0;
  var mine = 0u;
  var least_key = no_key;
  var most_key = 0u;
  for (var i = lane; i < count; i += workgroup_threads) {
    let x = kept_element(count, i);
    if (!is_finite_value(x)) {
      let heads = job.groups * job.group_size / job.head_dim;
      report_not_finite(token, heads, (group_entry + i) / job.head_dim);
    }
    if (is_outlier(x, low, high)) {
      mine++;
    } else {
      sum += x;
      least_key = min(least_key, ordered_key(x));
      most_key = max(most_key, ordered_key(x));
    }
  }
  atomicAdd(&outliers, mine);
  atomicMin(&inner_low, least_key);
  atomicMax(&inner_high, most_key);
  let all = sum_of(sum, lane);
  let masked = atomicLoad(&outliers);
  let kept = count - masked;
  var mean = 0.0;
  var range = 0.0;
  if (kept > 0u) {
    mean = all / f32(kept);
    let least = from_ordered_key(atomicLoad(&inner_low));
    let most = from_ordered_key(atomicLoad(&inner_high));
    range = select(most - least, 2.0 * max(abs(least), abs(most)), symmetric);
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
  if (symmetric) {
    mean = 0.0;
  }
  if (lane != 0u) {
    return;
  }

  var bits = group_bits[group];
  if (adaptive) {
    bits = job.least_bits;
    if (token >= job.recent) {
      bits = job.most_bits;
    } else {
      var error = job.error;
      if (attentive) {
        var most = 0.0;
        let first_head = group_entry / job.head_dim;
        for (var head = first_head; head < first_head + count / job.head_dim; head++) {
          most = max(most, attention[head * job.tokens + group_token]);
        }
        // Without attention any error will do.
        error = select(job.error / most, 3.0e38, most == 0.0);
      }
      while (bits < job.most_bits && range > 2.0 * error * (exp2(f32(bits)) - 1.0)) {
        bits++;
      }
    }
  }
  let place = job.first * job.groups + index;
  let scale = select(range / exp2(f32(bits)), deviation, normal);
  if (symmetric) {
    store_parameter(place, scale);
  } else {
    store_parameter(2u * place, scale);
    store_parameter(2u * place + 1u, mean);
  }
  if (adaptive) {
    let bit = place * width_bits;
    let shift = bit & 31u;
    atomicOr(&widths[bit >> 5u], bits << shift);
    if (shift + width_bits > 32u) {
      atomicOr(&widths[(bit >> 5u) + 1u], bits >> (32u - shift));
    }
  }
  records[index] = Record(
    mean,
    select(range, deviation, normal),
    low,
    high,
    bits,
    masked,
    0u,
    0u,
    no_exception,
  );
}
