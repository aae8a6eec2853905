// Groups along the channels of a token, where every head has one width and a token's codes fill whole
// words: then codes, words and groups of a store are one stream each. An invocation takes four codes,
// those beside each other four codes beside each other, and a workgroup 1,024, which hold whole groups.

const row_threads = 256u;

@group(0) @binding(3) var<storage, read> source: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;

var<workgroup> lows: array<i32, row_threads>;
var<workgroup> highs: array<i32, row_threads>;
var<workgroup> parts: array<u32, row_threads>;

// Floats in their order as integers, -0 below 0, and back.
fn ordered(x: f32) -> i32 {
  let bits = bitcast<i32>(x);
  return bits ^ ((bits >> 31u) & 0x7fffffff);
}

fn float_of(key: i32) -> f32 {
  return bitcast<f32>(key ^ ((key >> 31u) & 0x7fffffff));
}

@compute @workgroup_size(row_threads)
fn quantize_rows(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let workgroup = flat_workgroup(id, workgroups);
  let band = bands[0];
  let unit_codes = job.heads * job.head_dim;
  let total = job.units * unit_codes;
  let at = (workgroup * row_threads + lane) * 4u;
  let here = at < total;
  var x = vec4f(0.0);
  if (here) {
    let token = job.from_token + job.first_unit + at / unit_codes;
    let head = at % unit_codes / job.head_dim;
    let row = head * job.capacity + token;
    x = source[(row * job.head_dim + at % job.head_dim) / 4u];
    if (
      !(is_finite_value(x.x) && is_finite_value(x.y) && is_finite_value(x.z) &&
        is_finite_value(x.w))
    ) {
      report_not_finite(token, job.heads, head);
    }
  }
  let keys = vec4i(ordered(x.x), ordered(x.y), ordered(x.z), ordered(x.w));
  lows[lane] = min(min(keys.x, keys.y), min(keys.z, keys.w));
  highs[lane] = max(max(keys.x, keys.y), max(keys.z, keys.w));
  let lanes = job.group_size / 4u;
  let place = lane % lanes;
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (place < half) {
      lows[lane] = min(lows[lane], lows[lane + half]);
      highs[lane] = max(highs[lane], highs[lane + half]);
    }
  }
  workgroupBarrier();
  let top_code = f32(band.top_code);
  let low = float_of(lows[lane - place]);
  let high = float_of(highs[lane - place]);
  let parameter = scale_zero(low, high, top_code);
  if (here && place == 0u) {
    let group = job.first_unit * job.unit_groups + at / job.group_size;
    store_parameters(group, parameter.x, parameter.y);
  }
  var part = 0u;
  if (parameter.x > 0.0 && is_finite_value(parameter.x)) {
    for (var i = 0u; i < 4u; i++) {
      let steps = code_of(x[i], parameter.x, parameter.y, top_code);
      part |= u32(clamp(round(steps), 0.0, top_code)) << (i * band.bits);
    }
  }
  parts[lane] = part;
  workgroupBarrier();

  let part_bits = 4u * band.bits;
  let words = row_threads * part_bits / 32u;
  let index = workgroup * words + lane;
  if (lane >= words || index >= total * band.bits / 32u) {
    return;
  }
  var other = lane * 32u / part_bits;
  let skipped = lane * 32u % part_bits;
  var word = parts[other] >> skipped;
  for (var filled = part_bits - skipped; filled < 32u; filled += part_bits) {
    other++;
    word |= parts[other] << filled;
  }
  codes[job.first_unit * job.unit_words + index] = word;
}
