// Codes, outliers and exceptions of the groups of a dispatch.

@group(0) @binding(3) var<storage, read> records: array<Record>;
// Boundaries between the codes of the normal method; those of `b` bits begin at 2^b - b - 1.
@group(0) @binding(4) var<storage, read> bounds: array<f32>;
// Atomic because groups share words.
@group(0) @binding(5) var<storage, read_write> codes: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> outlier_positions: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> outlier_values: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read_write> exceptions: array<u32>;

fn code_of(record: Record, x: f32) -> u32 {
  if (normal) {
    var code = 0u;
    let first = (1u << record.bits) - record.bits - 1u;
    let z = select((x - record.mean) / record.spread, 0.0, record.spread == 0.0);
    for (var b = 0u; b < (1u << record.bits) - 1u; b++) {
      code += select(0u, 1u, z > bounds[first + b]);
    }
    return code;
  }
  return codes_of(record, vec4f(x)).x;
}

// Four codes of the uniform method.
fn codes_of(record: Record, x: vec4f) -> vec4u {
  let half = exp2(f32(record.bits)) / 2.0;
  let scale = record.spread / (2.0 * half);
  var steps = vec4f(0.0);
  if (scale != 0.0) {
    steps = round((x - record.mean) / scale);
  }
  return vec4u(clamp(steps, vec4f(-half), vec4f(half - 1.0)) + half);
}

fn write_word(at: u32, word: u32) {
  if (word != 0u) {
    atomicOr(&codes[at], word);
  }
}

// Entry `i` of a group as an outlier of the dispatch.
fn put_outlier(outlier: u32, x: f32, i: u32) {
  let bit = outlier * job.position_bits;
  let shift = bit & 31u;
  atomicOr(&outlier_positions[bit >> 5u], i << shift);
  if (shift + job.position_bits > 32u) {
    atomicOr(&outlier_positions[(bit >> 5u) + 1u], i >> (32u - shift));
  }
  if (wide) {
    atomicStore(&outlier_values[outlier], bitcast<u32>(x));
  } else {
    atomicOr(&outlier_values[outlier / 2u], half_into(x, outlier));
  }
}

// What an invocation is writing: outliers before its next entry, and the word that codes are put into.
struct Writing {
  before: u32,
  at: u32,
  word: u32,
}

fn put_entry(record: Record, x: f32, i: u32, writing: ptr<function, Writing>) {
  if (is_outlier(x, record.low, record.high)) {
    put_outlier(record.outlier + (*writing).before, x, i);
    (*writing).before++;
  } else if (record.bits > 0u) {
    let code = code_of(record, x);
    let bit = record.code_bit + (i - (*writing).before) * record.bits;
    let shift = bit & 31u;
    if (bit >> 5u != (*writing).at) {
      write_word((*writing).at, (*writing).word);
      (*writing).at = bit >> 5u;
      (*writing).word = 0u;
    }
    (*writing).word |= code << shift;
    if (shift + record.bits > 32u) {
      write_word((*writing).at, (*writing).word);
      (*writing).at++;
      (*writing).word = code >> (32u - shift);
    }
  }
}

fn note_exception(record: Record, index: u32) {
  if (record.exception != no_exception) {
    exceptions[2u * record.exception] = job.first * fixed_groups + index;
    exceptions[2u * record.exception + 1u] = record.outliers;
  }
}

@compute @workgroup_size(workgroup_threads)
fn write_groups(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= job.tokens * fixed_groups) {
    return;
  }
  group_entry = index % fixed_groups * fixed_group_size;
  group_token = index / fixed_groups;
  keep_elements(fixed_group_size, lane);
  let record = records[index];
  // Each invocation has a run of consecutive entries, and counts the outliers before it.
  let run = (fixed_group_size + workgroup_threads - 1u) / workgroup_threads;
  let first = min(lane * run, fixed_group_size);
  let end = min(first + run, fixed_group_size);
  var mine = 0u;
  for (var i = first; i < end; i++) {
    mine += select(0u, 1u, is_outlier(kept_element(fixed_group_size, i), record.low, record.high));
  }
  var writing = Writing(sum_before(vec4u(mine), lane).x, 0u, 0u);
  for (var i = first; i < end; i++) {
    put_entry(record, kept_element(fixed_group_size, i), i, &writing);
  }
  write_word(writing.at, writing.word);
  if (lane == 0u) {
    note_exception(record, index);
  }
}
