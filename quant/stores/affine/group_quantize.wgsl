@group(0) @binding(3) var<storage, read> source: array<f32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;

@compute @workgroup_size(workgroup_threads)
fn quantize(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= job.units * job.unit_chunks) {
    return;
  }
  let unit = job.first_unit + index / job.unit_chunks;
  let chunk = index % job.unit_chunks;
  var b = 0u;
  while (b + 1u < job.bands && bands[b + 1u].first_chunk <= chunk) {
    b++;
  }
  let band = bands[b];
  let token = job.from_token + unit * job.unit_tokens;
  let position = chunk - band.first_chunk;
  var head = band.first_head;
  var cursor: Cursor;
  var group = unit * job.unit_groups + band.group_offset;
  var word_index = unit * job.unit_words + band.word_offset;
  if (channel_axis) {
    cursor.channel = position;
    group += position;
    word_index += position * band.row_words;
  } else {
    let first_code = position * band.chunk_codes;
    head += first_code / job.head_dim;
    cursor.channel = first_code % job.head_dim;
    group += first_code / job.group_size;
    word_index += first_code * band.bits / 32u;
  }
  cursor.address = (head * job.capacity + token) * job.head_dim + cursor.channel;

  let top_code = f32(band.top_code);
  var word = 0u;
  var shift = 0u;
  for (var done = 0u; done < band.chunk_codes; done += job.group_size) {
    var look = cursor;
    var low = source[look.address];
    var high = low;
    for (var i = 0u; i < job.group_size; i++) {
      let x = source[look.address];
      if (!is_finite_value(x)) {
        let row = look.address / job.head_dim;
        report_not_finite(row % job.capacity, job.heads, row / job.capacity);
      }
      low = min(low, x);
      high = max(high, x);
      advance(&look);
    }
    let parameter = scale_zero(low, high, top_code);
    store_parameters(group, parameter.x, parameter.y);
    group++;
    for (var i = 0u; i < job.group_size; i++) {
      var code = 0u;
      if (parameter.x > 0.0 && is_finite_value(parameter.x)) {
        let steps = code_of(source[cursor.address], parameter.x, parameter.y, top_code);
        code = u32(clamp(round(steps), 0.0, top_code));
      }
      word |= code << shift;
      shift += band.bits;
      if (shift >= 32u) {
        codes[word_index] = word;
        word_index++;
        shift -= 32u;
        word = select(code >> (band.bits - shift), 0u, shift == 0u);
      }
      advance(&cursor);
    }
  }
  if (shift > 0u) {
    codes[word_index] = word;
  }
}
