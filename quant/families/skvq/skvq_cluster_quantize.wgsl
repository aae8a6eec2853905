@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> source: array<f32>;
// Atomic because groups share words.
@group(0) @binding(5) var<storage, read_write> codes: array<atomic<u32>>;

fn entry(place: u32, token: u32) -> f32 {
  let x = source[address(places[place].channel, token)] * places[place].factor;
  // A factor may carry an entry beyond float32.
  return clamp(x, -3.4028234e38, 3.4028234e38);
}

// One invocation per token and group.
@compute @workgroup_size(workgroup_threads)
fn quantize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= job.units * job.groups) {
    return;
  }
  let group = index % job.groups;
  let unit = job.first + index / job.groups;
  let token = job.from_token + unit;
  let first = starts[group];
  let end = starts[group + 1u];
  var low = 0.0;
  var high = 0.0;
  for (var i = first; i < end; i++) {
    let x = entry(i, token);
    if (!is_finite_value(source[address(places[i].channel, token)])) {
      report_not_finite(token, job.heads, places[i].channel / job.head_dim);
    }
    low = select(min(low, x), x, i == first);
    high = select(max(high, x), x, i == first);
  }
  let top_code = f32(job.top_code);
  let parameter = scale_zero(low, high, top_code);
  store_parameters(unit * job.groups + group, parameter.x, parameter.y);
  for (var i = first; i < end; i++) {
    var code = 0u;
    if (is_finite_value(parameter.x)) {
      let steps = code_of(entry(i, token), parameter.x, parameter.y, top_code);
      code = u32(clamp(round(steps), 0.0, top_code));
    }
    let bit = i * job.bits;
    let word = unit * job.token_words + (bit >> 5u);
    let shift = bit & 31u;
    atomicOr(&codes[word], code << shift);
    if (shift + job.bits > 32u) {
      atomicOr(&codes[word + 1u], code >> (32u - shift));
    }
  }
}
