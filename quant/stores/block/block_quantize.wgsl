@group(0) @binding(3) var<storage, read> source: array<f32>;
@group(0) @binding(4) var<storage, read_write> fitted: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;

// One invocation per group.
@compute @workgroup_size(workgroup_threads)
fn fit(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let group = flat_index(id, workgroups);
  if (group >= job.segments * job.groups) {
    return;
  }
  let segment = group / job.groups;
  let k = group % job.groups;
  var low = source[entry(segment, k, 0u)];
  var high = low;
  for (var i = 0u; i < job.group_size; i++) {
    let at = entry(segment, k, i);
    let x = source[at];
    if (!is_finite_value(x)) {
      let row = at / job.head_dim;
      report_not_finite(row % job.capacity, job.heads, row / job.capacity);
    }
    low = min(low, x);
    high = max(high, x);
  }
  fitted[group] = fit_group(low, high, top_code_of(segment));
}

// One invocation per chunk of groups that fill whole words.
@compute @workgroup_size(workgroup_threads)
fn pack(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= job.segments * job.chunks) {
    return;
  }
  let s = index / job.chunks;
  let segment = segments[s];
  let chunk = index % job.chunks;
  let first = chunk * segment.chunk_groups;
  if (first >= job.groups) {
    return;
  }
  let last = min(first + segment.chunk_groups, job.groups);
  let top_code = top_code_of(s);
  let word_bits = select(32u, 30u, ten_per_word);
  var word_index = segment.first_word + chunk * segment.chunk_words;
  var word = 0u;
  var shift = 0u;
  for (var k = first; k < last; k++) {
    let group = s * job.groups + k;
    let pair = fitted[group];
    store_parameters(group, stored_pair(pair));
    for (var i = 0u; i < job.group_size; i++) {
      let steps = code_of(source[entry(s, k, i)], pair, top_code);
      let code = u32(clamp(round(steps), 0.0, top_code));
      word |= code << shift;
      shift += segment.bits;
      if (shift >= word_bits) {
        codes[word_index] = word;
        word_index++;
        shift -= word_bits;
        word = select(code >> (segment.bits - shift), 0u, shift == 0u);
      }
    }
  }
  if (shift > 0u) {
    codes[word_index] = word;
  }
}
