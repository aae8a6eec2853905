// TurboQuant for any number of channels and both variants: one workgroup per vector (token and head).

override channels: u32 = 64u;

@group(0) @binding(3) var<storage, read> tables: array<f32>;
@group(0) @binding(6) var<storage, read_write> tensor: array<f32>;

var<workgroup> vector: array<f32, channels>;
var<workgroup> rotated: array<f32, channels>;
var<workgroup> code: array<u32, channels>;

fn row_address(token: u32, head: u32) -> u32 {
  return (head * job.capacity + token) * job.head_dim;
}

@compute @workgroup_size(workgroup_threads)
fn quantize(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens * job.heads) {
    return;
  }
  let token = job.first + index / job.heads;
  let h = index % job.heads;
  let head = heads[h];
  let base = row_address(token, h);
  var largest = 0.0;
  for (var c = thread; c < channels; c += workgroup_threads) {
    let x = tensor[base + c];
    if (!is_finite_value(x)) {
      report_not_finite(token, job.heads, h);
    }
    vector[c] = x;
    largest = max(largest, abs(x));
  }
  // Scaled, so that no square overflows or vanishes.
  largest = largest_of(largest, thread);
  let unit = select(1.0, largest, largest > 0.0);
  var square = 0.0;
  for (var c = thread; c < channels; c += workgroup_threads) {
    let x = vector[c] / unit;
    vector[c] = x;
    square += x * x;
  }
  square = sum_of(square, thread);
  let norm = sqrt(square) * unit;
  let scale = 1.0 / (sqrt(square) + 1e-10 / unit);
  if (thread == 0u) {
    store_norm(norm_index(token, h, 0u), norm);
  }

  let square_size = channels * channels;
  let levels = job.levels + head.levels;
  for (var c = thread; c < channels; c += workgroup_threads) {
    var sum = 0.0;
    for (var i = 0u; i < channels; i++) {
      sum += tables[square_size + i * channels + c] * vector[i];
    }
    sum *= scale;
    // The nearest of ascending levels, by bisection over their midpoints.
    var nearest = 0u;
    for (var half = (1u << level_bits(head)) >> 1u; half > 0u; half >>= 1u) {
      let at = levels + nearest + half;
      if (sum > (tables[at - 1u] + tables[at]) * 0.5) {
        nearest += half;
      }
    }
    code[c] = nearest;
    rotated[c] = tables[levels + nearest];
  }
  workgroupBarrier();

  if (signs) {
    let kept = stored_norm(norm);
    var left_square = 0.0;
    for (var c = thread; c < channels; c += workgroup_threads) {
      var sum = 0.0;
      for (var i = 0u; i < channels; i++) {
        sum += tables[i * channels + c] * rotated[i];
      }
      let left = vector[c] * unit - kept * sum;
      vector[c] = left;
      left_square += left * left;
    }
    left_square = sum_of(left_square, thread);
    if (thread == 0u) {
      store_norm(norm_index(token, h, 1u), sqrt(left_square));
    }
    for (var c = thread; c < channels; c += workgroup_threads) {
      var sum = 0.0;
      for (var i = 0u; i < channels; i++) {
        sum += tables[3u * square_size + i * channels + c] * vector[i];
      }
      if (sum > 0.0) {
        code[c] |= 1u << level_bits(head);
      }
    }
    workgroupBarrier();
  }

  let row_words = (channels * head.bits + 31u) / 32u;
  for (var w = thread; w < row_words; w += workgroup_threads) {
    var word = 0u;
    for (var k = 32u * w / head.bits; k < channels; k++) {
      let bit = i32(k * head.bits) - i32(32u * w);
      if (bit >= 32) {
        break;
      }
      word |= select(code[k] << u32(max(bit, 0)), code[k] >> u32(max(-bit, 0)), bit < 0);
    }
    codes[token * job.token_words + head.word_offset + w] = word;
  }
}

@compute @workgroup_size(workgroup_threads)
fn restore(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens * job.heads) {
    return;
  }
  let token = job.first + index / job.heads;
  let h = index % job.heads;
  let head = heads[h];
  let width = level_bits(head);
  let words = token * job.token_words + head.word_offset;
  for (var c = thread; c < channels; c += workgroup_threads) {
    let bit = c * head.bits;
    let shift = bit & 31u;
    let at = words + (bit >> 5u);
    var found = codes[at] >> shift;
    if (shift + head.bits > 32u) {
      found |= codes[at + 1u] << (32u - shift);
    }
    found &= (1u << head.bits) - 1u;
    rotated[c] = tables[job.levels + head.levels + (found & ((1u << width) - 1u))];
    vector[c] = select(-1.0, 1.0, (found >> width) != 0u);
  }
  workgroupBarrier();
  let square_size = channels * channels;
  let norm = load_norm(norm_index(token, h, 0u));
  var projected_scale = 0.0;
  if (signs) {
    // The root of pi / 2.
    projected_scale = 1.2533141373155 / f32(channels) * load_norm(norm_index(token, h, 1u));
  }
  for (var c = thread; c < channels; c += workgroup_threads) {
    var sum = 0.0;
    for (var i = 0u; i < channels; i++) {
      sum += tables[i * channels + c] * rotated[i];
    }
    var x = norm * sum;
    if (signs) {
      var projected = 0.0;
      for (var i = 0u; i < channels; i++) {
        projected += tables[2u * square_size + i * channels + c] * vector[i];
      }
      x += projected_scale * projected;
    }
    tensor[row_address(token, h) + c] = x;
  }
}
