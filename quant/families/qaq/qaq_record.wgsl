// What is known of a group once it is measured.

@group(0) @binding(3) var<storage, read> group_bits: array<u32>;
// Largest attention of every head of every layer for each token of the dispatch.
@group(0) @binding(4) var<storage, read> attention: array<f32>;
@group(0) @binding(5) var<storage, read_write> records: array<Record>;
// Atomic because half-precision scales without means share words, and so do widths.
@group(0) @binding(6) var<storage, read_write> scale_mean: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> widths: array<atomic<u32>>;

fn store_parameter(place: u32, value: f32) {
  if (wide) {
    atomicStore(&scale_mean[place], bitcast<u32>(value));
  } else {
    atomicOr(&scale_mean[place / 2u], half_into(value, place));
  }
}

// What spreads over a group without its outliers.
fn range_of(least: f32, most: f32) -> f32 {
  return select(most - least, 2.0 * max(abs(least), abs(most)), symmetric);
}

// Notes the group that `group_entry` and `group_token` say: its mean, range and deviation without its
// outliers, what these lie beyond, and how many they are.
fn note_group(
  index: u32,
  own_mean: f32,
  range: f32,
  deviation: f32,
  low: f32,
  high: f32,
  outliers: u32,
) {
  let token = job.first + group_token;
  let mean = select(own_mean, 0.0, symmetric);
  var bits = group_bits[index % fixed_groups];
  if (adaptive) {
    bits = job.least_bits;
    if (token >= job.recent) {
      bits = job.most_bits;
    } else {
      var error = job.error;
      if (attentive) {
        var most = 0.0;
        let first_head = group_entry / fixed_head_dim;
        for (var head = first_head; head < first_head + fixed_group_size / fixed_head_dim; head++) {
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
  let place = job.first * fixed_groups + index;
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
    outliers,
    0u,
    0u,
    no_exception,
  );
}
