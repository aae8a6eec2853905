// Tokens of any number of channels, one workgroup each.

@compute @workgroup_size(workgroup_threads)
fn quantize(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let step = flat_workgroup(id, workgroups);
  if (step >= job.tokens) {
    return;
  }
  let count = fixed_heads * fixed_head_dim;
  let unit = job.first + step;
  let token = job.from_token + unit;
  token_address = token * fixed_head_dim;

  keep_elements(count, lane);
  var low = 0.0;
  var high = 0.0;
  if (sparse && !calibrated) {
    let found = order_statistics(count, quantile_ranks(count), lane);
    low = between(found.x, found.y, job.low_weight);
    high = between(found.z, found.w, job.high_weight);
  }
  var mine = 0u;
  var least_key = no_key;
  var most_key = 0u;
  for (var i = lane; i < count; i += workgroup_threads) {
    let x = kept_element(count, i);
    if (!is_finite_value(x)) {
      report_not_finite(token, fixed_heads, i / fixed_head_dim);
    }
    if (is_outlier(i, x, low, high)) {
      mine++;
      atomicOr(&masks[i >> 5u], 1u << (i & 31u));
    } else {
      least_key = min(least_key, ordered_key(x));
      most_key = max(most_key, ordered_key(x));
    }
  }
  add_span(mine, least_key, most_key);
  workgroupBarrier();
  let range = added_range(low, count);
  note_token(step, range, lane);

  // Each invocation fills whole words, so codes that straddle two words are computed twice.
  for (var w = lane; w < job.token_words; w += workgroup_threads) {
    var r = 0u;
    while (r + 1u < job.rows && rows[r + 1u].word_offset <= w) {
      r++;
    }
    let row = rows[r];
    let first_bit = (w - row.word_offset) * 32u;
    var word = 0u;
    for (
      var position = first_bit / row.bits;
      position < row.codes && position * row.bits < first_bit + 32u;
      position++
    ) {
      let index = row.first_code + position;
      let x = kept_element(count, index);
      let code = code_of(row, index, x, is_outlier(index, x, low, high), range.x, range.y);
      let bit = i32(position * row.bits) - i32(first_bit);
      if (bit >= 0) {
        word |= code << u32(bit);
      } else {
        word |= code >> u32(-bit);
      }
    }
    codes[unit * job.token_words + w] = word;
  }
}
