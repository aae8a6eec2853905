// Outliers of the tokens of one dispatch: where each token's end, and the words themselves.

// As `kvquant_record.wgsl` notes them.
@group(0) @binding(4) var<storage, read> marks: array<u32>;
// Outliers of as many tokens as a workgroup has invocations.
@group(0) @binding(8) var<storage, read_write> block_outliers: array<u32>;
// Outliers of all tokens up to and including each.
@group(0) @binding(6) var<storage, read_write> row_pointers: array<u32>;
@group(0) @binding(7) var<storage, read_write> outlier_words: array<u32>;

fn ends_before(unit: u32) -> u32 {
  if (unit == 0u) {
    return 0u;
  }
  return row_pointers[unit - 1u];
}

fn outliers_of(step: u32) -> u32 {
  if (step >= job.tokens) {
    return 0u;
  }
  return marks[step * (1u + mask_words)];
}

@compute @workgroup_size(workgroup_threads)
fn count_outliers(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = flat_workgroup(id, workgroups);
  _ = sum_before(vec4u(outliers_of(block * workgroup_threads + lane)), lane);
  if (lane == 0u && block * workgroup_threads < job.tokens) {
    block_outliers[block] = summed_counts().x;
  }
}

// One invocation for each token; its workgroup adds up what the workgroups before it have.
@compute @workgroup_size(workgroup_threads)
fn place_outliers(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = flat_workgroup(id, workgroups);
  var sum = 0u;
  for (var other = lane; other < block; other += workgroup_threads) {
    sum += block_outliers[other];
  }
  _ = sum_before(vec4u(sum), lane);
  let start = ends_before(job.first) + summed_counts().x;
  let step = block * workgroup_threads + lane;
  let mine = outliers_of(step);
  let end = start + sum_before(vec4u(mine), lane).x + mine;
  if (step < job.tokens) {
    row_pointers[job.first + step] = end;
  }
}

// One invocation for each word of bits of a token.
@compute @workgroup_size(workgroup_threads)
fn write_outliers(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  let step = index / mask_words;
  if (step >= job.tokens) {
    return;
  }
  let mark = step * (1u + mask_words) + 1u;
  let word = index % mask_words;
  var left = marks[mark + word];
  if (left == 0u) {
    return;
  }
  let unit = job.first + step;
  token_address = (job.from_token + unit) * fixed_head_dim;
  var at = ends_before(unit) - ends_before(job.first);
  for (var other = 0u; other < word; other++) {
    at += countOneBits(marks[mark + other]);
  }
  while (left != 0u) {
    let position = 32u * word + firstTrailingBit(left);
    left &= left - 1u;
    let x = element(position);
    if (wide) {
      outlier_words[2u * at] = bitcast<u32>(x);
      outlier_words[2u * at + 1u] = position;
    } else {
      outlier_words[at] = half_bits(x) | (position << 16u);
    }
    at++;
  }
}
