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
  scale: f32,
  mean: f32,
  outlier: u32,
  // Of that one.
  position: u32,
  // The next codes, where they have eight bits at most: those of four entries.
  part: u32,
}

// Outliers of a group before an entry.
fn outliers_before(found: vec4u, place: u32) -> u32 {
  var low = 0u;
  if (found.z <= 4u) {
    // Loads that do not wait for each other.
    for (var o = 0u; o < found.z; o++) {
      low += select(0u, 1u, outlier_position(found.y + o) < place);
    }
    return low;
  }
  var high = found.z;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (outlier_position(found.y + middle) < place) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}

fn restored_from(group: u32, place: u32) -> Restored {
  let found = located[group];
  var scale = 0.0;
  var mean = 0.0;
  if (symmetric) {
    scale = stored_float(group);
  } else {
    scale = stored_float(2u * group);
    mean = stored_float(2u * group + 1u);
  }
  let before = outliers_before(found, place);
  var walked = Restored(found, scale, mean, before, no_exception, 0u);
  if (before < found.z) {
    walked.position = outlier_position(found.y + before);
  }
  let width = found.w;
  if (width > 0u && width <= 8u) {
    let bit = found.x + (place - before) * width;
    let shift = bit & 31u;
    walked.part = codes[bit >> 5u] >> shift;
    // May be read in vain, behind the last code.
    if (shift + 4u * width > 32u) {
      walked.part |= codes[(bit >> 5u) + 1u] << (32u - shift);
    }
  }
  return walked;
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
    return (*walked).mean;
  }
  var code = (*walked).part;
  (*walked).part >>= width;
  if (width > 8u) {
    let bit = found.x + (place - (*walked).outlier) * width;
    let shift = bit & 31u;
    code = codes[bit >> 5u] >> shift;
    if (shift + width > 32u) {
      code |= codes[(bit >> 5u) + 1u] << (32u - shift);
    }
  }
  code &= (1u << width) - 1u;
  if (normal) {
    return centres[(1u << width) - 2u + code] * (*walked).scale + (*walked).mean;
  }
  return (f32(code) - exp2(f32(width)) / 2.0) * (*walked).scale + (*walked).mean;
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
  var group = restored_from(token * fixed_groups + entry / fixed_group_size, place);
  restored[head * job.head_stride + token * fixed_head_dim + channel] = restored_entry(&group, place);
}

// The same binding, four entries at a time; an invocation has four, of heads whose channels are fours.
@group(0) @binding(12) var<storage, read_write> restored_quads: array<vec4f>;

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
  var group = restored_from(token * fixed_groups + entry / fixed_group_size, place);
  var x: vec4f;
  for (var i = 0u; i < 4u; i++) {
    x[i] = restored_entry(&group, place + i);
  }
  restored_quads[head * (job.head_stride / 4u) + token * quads + quad] = x;
}
