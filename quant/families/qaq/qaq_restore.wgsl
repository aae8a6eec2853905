// Restoring walks the streams: a first kernel finds where each group's codes and outliers begin.

// Bit of the first code, first outlier, outliers, width.
@group(0) @binding(2) var<storage, read_write> located: array<vec4u>;

@group(0) @binding(3) var<storage, read> group_bits: array<u32>;
@group(0) @binding(4) var<storage, read> widths: array<u32>;
@group(0) @binding(5) var<storage, read> exceptions: array<u32>;
@group(0) @binding(6) var<storage, read> state: vec4u;

fn width_of(group: u32) -> u32 {
  if (!adaptive) {
    return group_bits[group % fixed_groups];
  }
  let bit = group * width_bits;
  let shift = bit & 31u;
  var width = widths[bit >> 5u] >> shift;
  if (shift + width_bits > 32u) {
    width |= widths[(bit >> 5u) + 1u] << (32u - shift);
  }
  return width & 31u;
}

// First exception at or behind a group.
fn exception_from(group: u32) -> u32 {
  var low = 0u;
  var high = state.w;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (exceptions[2u * middle] < group) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}

// Neighbouring groups that an invocation locates: the fewer workgroups, the fewer have to be added up.
const groups_each = 8u;

// Code bits and outliers of every workgroup's groups.
@group(0) @binding(13) var<storage, read_write> blocks: array<vec2u>;

fn group_blocks() -> u32 {
  let each = workgroup_threads * groups_each;
  return (job.tokens * fixed_groups + each - 1u) / each;
}

// An invocation's groups: the next one, the first behind them, and the exception to look at.
struct Walk {
  group: u32,
  end: u32,
  exception: u32,
}

fn walk_of(block: u32, lane: u32) -> Walk {
  let count = job.tokens * fixed_groups;
  let first = min((block * workgroup_threads + lane) * groups_each, count);
  return Walk(first, min(first + groups_each, count), exception_from(first));
}

// Bits of the next group's codes, its outliers, and its width.
fn next_sizes(walk: ptr<function, Walk>) -> vec3u {
  let group = (*walk).group;
  var outliers = job.nominal;
  let exception = (*walk).exception;
  if (exception < state.w && exceptions[2u * exception] == group) {
    outliers = exceptions[2u * exception + 1u];
    (*walk).exception++;
  }
  (*walk).group++;
  let width = width_of(group);
  return vec3u((fixed_group_size - outliers) * width, outliers, width);
}

fn summed_sizes(walk: Walk) -> vec2u {
  var walked = walk;
  var sum = vec2u(0u);
  while (walked.group < walked.end) {
    sum += next_sizes(&walked).xy;
  }
  return sum;
}

// Before `locate`, where one workgroup does not have all groups.
@compute @workgroup_size(workgroup_threads)
fn count_groups(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = flat_workgroup(id, workgroups);
  if (block >= group_blocks()) {
    return;
  }
  _ = sum_before(vec4u(summed_sizes(walk_of(block, lane)), 0u, 0u), lane);
  if (lane == 0u) {
    blocks[block] = summed_counts().xy;
  }
}

@compute @workgroup_size(workgroup_threads)
fn locate(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let block = flat_workgroup(id, workgroups);
  if (block >= group_blocks()) {
    return;
  }
  var start = vec2u(0u);
  if (group_blocks() > 1u) {
    var sum = vec2u(0u);
    for (var other = lane; other < block; other += workgroup_threads) {
      sum += blocks[other];
    }
    _ = sum_before(vec4u(sum, 0u, 0u), lane);
    start = summed_counts().xy;
  }
  var walk = walk_of(block, lane);
  var at = start + sum_before(vec4u(summed_sizes(walk), 0u, 0u), lane).xy;
  while (walk.group < walk.end) {
    let group = walk.group;
    let sizes = next_sizes(&walk);
    located[group] = vec4u(at, sizes.yz);
    at += sizes.xy;
  }
}

@group(0) @binding(7) var<storage, read> codes: array<u32>;
@group(0) @binding(8) var<storage, read> outlier_positions: array<u32>;
@group(0) @binding(9) var<storage, read> outlier_values: array<u32>;
@group(0) @binding(10) var<storage, read> scale_mean: array<u32>;
// Centres of the codes of the normal method; those of `b` bits begin at 2^b - 2.
@group(0) @binding(11) var<storage, read> centres: array<f32>;
@group(0) @binding(12) var<storage, read_write> restored: array<f32>;

fn stored_float(place: u32) -> f32 {
  if (wide) {
    return bitcast<f32>(scale_mean[place]);
  }
  return half_in(scale_mean[place / 2u], place);
}

fn outlier_position(outlier: u32) -> u32 {
  let bit = outlier * job.position_bits;
  let shift = bit & 31u;
  var position = outlier_positions[bit >> 5u] >> shift;
  if (shift + job.position_bits > 32u) {
    position |= outlier_positions[(bit >> 5u) + 1u] << (32u - shift);
  }
  return position & ((1u << job.position_bits) - 1u);
}

fn outlier_value(outlier: u32) -> f32 {
  if (wide) {
    return bitcast<f32>(outlier_values[outlier]);
  }
  return half_in(outlier_values[outlier / 2u], outlier);
}

// A group that is being restored: its scale and mean, and the first outlier not before the next entry.
struct Restored {
  found: vec4u,
  scale_and_mean: vec2f,
  outlier: u32,
  // Of that one.
  position: u32,
}

// Outliers of a group that are looked at together.
const few_outliers = 4u;

fn scale_mean_of(group: u32) -> vec2f {
  if (symmetric) {
    return vec2f(stored_float(group), 0.0);
  }
  return vec2f(stored_float(2u * group), stored_float(2u * group + 1u));
}

fn restored_from(group: u32, found: vec4u, place: u32) -> Restored {
  var low = 0u;
  var high = found.z;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (outlier_position(found.y + middle) < place) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  var walked = Restored(found, scale_mean_of(group), low, no_exception);
  if (low < found.z) {
    walked.position = outlier_position(found.y + low);
  }
  return walked;
}

fn value_of(code: u32, width: u32, scale_and_mean: vec2f) -> f32 {
  if (normal) {
    return centres[(1u << width) - 2u + code] * scale_and_mean.x + scale_and_mean.y;
  }
  return (f32(code) - exp2(f32(width)) / 2.0) * scale_and_mean.x + scale_and_mean.y;
}

// The next entry of a group.
fn restored_entry(walked: ptr<function, Restored>, place: u32) -> f32 {
  let found = (*walked).found;
  if ((*walked).position == place) {
    let x = outlier_value(found.y + (*walked).outlier);
    (*walked).outlier++;
    (*walked).position = no_exception;
    if ((*walked).outlier < found.z) {
      (*walked).position = outlier_position(found.y + (*walked).outlier);
    }
    return x;
  }
  let width = found.w;
  if (width == 0u) {
    return (*walked).scale_and_mean.y;
  }
  let bit = found.x + (place - (*walked).outlier) * width;
  let shift = bit & 31u;
  var code = codes[bit >> 5u] >> shift;
  if (shift + width > 32u) {
    code |= codes[(bit >> 5u) + 1u] << (32u - shift);
  }
  return value_of(code & ((1u << width) - 1u), width, (*walked).scale_and_mean);
}

// Entries of one layer, in the order of the tensor that is written; `base` is the layer's first entry of
// a token, `head_stride` the tensor's distance between heads. An invocation has one.
@compute @workgroup_size(256)
fn restore(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * 256u + lane;
  if (index >= fixed_heads * job.tokens * fixed_head_dim) {
    return;
  }
  let channel = index % fixed_head_dim;
  let row = index / fixed_head_dim;
  let head = row / job.tokens;
  let token = row - head * job.tokens;
  let entry = job.base + head * fixed_head_dim + channel;
  let place = entry % fixed_group_size;
  let group = token * fixed_groups + entry / fixed_group_size;
  var walked = restored_from(group, located[group], place);
  restored[head * job.head_stride + token * fixed_head_dim + channel] = restored_entry(&walked, place);
}

// The same binding, four entries at a time; an invocation has four, of heads whose channels are fours.
@group(0) @binding(12) var<storage, read_write> restored_quads: array<vec4f>;

// Four neighbouring entries of a group with codes of eight bits at most and few outliers: nothing that
// is read waits for anything but where the group begins.
fn restored_quad(group: u32, found: vec4u, place: u32) -> vec4f {
  let width = found.w;
  // More outliers than these cannot lie before.
  let skipped = min(found.z, place);
  let first = found.x + (place - skipped) * width;
  let words = vec3u(codes[first >> 5u], codes[(first >> 5u) + 1u], codes[(first >> 5u) + 2u]);
  let scale_and_mean = scale_mean_of(group);
  var positions = vec4u(no_exception);
  var outliers = vec4f(0.0);
  for (var o = 0u; o < few_outliers; o++) {
    if (o < found.z) {
      positions[o] = outlier_position(found.y + o);
      outliers[o] = outlier_value(found.y + o);
    }
  }
  var x: vec4f;
  for (var i = 0u; i < 4u; i++) {
    let less = select(vec4u(0u), vec4u(1u), positions < vec4u(place + i));
    let before = less.x + less.y + less.z + less.w;
    let bit = (first & 31u) + (skipped + i - before) * width;
    let shift = bit & 31u;
    let low = select(select(words.x, words.y, bit >= 32u), words.z, bit >= 64u);
    let high = select(words.y, words.z, bit >= 32u);
    var code = low >> shift;
    if (shift + width > 32u) {
      code |= high << (32u - shift);
    }
    x[i] = value_of(code & ((1u << width) - 1u), width, scale_and_mean);
    let here = positions == vec4u(place + i);
    x[i] = select(x[i], outliers.x, here.x);
    x[i] = select(x[i], outliers.y, here.y);
    x[i] = select(x[i], outliers.z, here.z);
    x[i] = select(x[i], outliers.w, here.w);
  }
  return x;
}

@compute @workgroup_size(256)
fn restore_quads(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let quads = fixed_head_dim / 4u;
  let index = flat_workgroup(id, workgroups) * 256u + lane;
  if (index >= fixed_heads * job.tokens * quads) {
    return;
  }
  let quad = index % quads;
  let row = index / quads;
  let head = row / job.tokens;
  let token = row - head * job.tokens;
  let entry = job.base + head * fixed_head_dim + 4u * quad;
  let place = entry % fixed_group_size;
  let group = token * fixed_groups + entry / fixed_group_size;
  let found = located[group];
  let at = head * (job.head_stride / 4u) + token * quads + quad;
  if (found.z <= few_outliers && found.w > 0u && found.w <= 8u) {
    restored_quads[at] = restored_quad(group, found, place);
    return;
  }
  var walked = restored_from(group, found, place);
  var x: vec4f;
  for (var i = 0u; i < 4u; i++) {
    x[i] = restored_entry(&walked, place + i);
  }
  restored_quads[at] = x;
}
