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

// A group that is being restored, from some entry on.
struct Restored {
  found: vec4u,
  scale: f32,
  mean: f32,
  // The first outlier that is not before the next entry, its entry, and the first behind the group's.
  outlier: u32,
  position: u32,
  outliers_end: u32,
  // Of the next entry's code.
  bit: u32,
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
  let end = found.y + found.z;
  var first = found.y;
  var behind = end;
  // By bisection, until few are left.
  while (behind - first > 4u) {
    let middle = (first + behind) / 2u;
    if (outlier_position(middle) < place) {
      first = middle + 1u;
    } else {
      behind = middle;
    }
  }
  var position = no_exception;
  while (first < end) {
    position = outlier_position(first);
    if (position >= place) {
      break;
    }
    position = no_exception;
    first++;
  }
  let bit = found.x + (place - (first - found.y)) * found.w;
  return Restored(found, scale, mean, first, position, end, bit);
}

// As many bits of the codes as a word has, or fewer behind the last one.
fn codes_at(bit: u32) -> u32 {
  let shift = bit & 31u;
  let part = codes[bit >> 5u] >> shift;
  if (shift == 0u) {
    return part;
  }
  return part | codes[(bit >> 5u) + 1u] << (32u - shift);
}

// The next entry of a group; `part` begins with its code, if it has one.
fn restored_entry(walked: ptr<function, Restored>, place: u32, part: ptr<function, u32>) -> f32 {
  if ((*walked).position == place) {
    let x = outlier_value((*walked).outlier);
    (*walked).outlier++;
    (*walked).position = no_exception;
    if ((*walked).outlier < (*walked).outliers_end) {
      (*walked).position = outlier_position((*walked).outlier);
    }
    return x;
  }
  let width = (*walked).found.w;
  if (width == 0u) {
    return (*walked).mean;
  }
  let code = *part & ((1u << width) - 1u);
  *part >>= width;
  (*walked).bit += width;
  if (normal) {
    return centres[(1u << width) - 2u + code] * (*walked).scale + (*walked).mean;
  }
  return (f32(code) - exp2(f32(width)) / 2.0) * (*walked).scale + (*walked).mean;
}

// An entry whose code is read by itself.
fn restored_alone(walked: ptr<function, Restored>, place: u32) -> f32 {
  var part = codes_at((*walked).bit);
  return restored_entry(walked, place, &part);
}

// The next four.
fn restored_quad(walked: ptr<function, Restored>, place: u32) -> vec4f {
  let width = (*walked).found.w;
  if (width > 8u) {
    return vec4f(
      restored_alone(walked, place),
      restored_alone(walked, place + 1u),
      restored_alone(walked, place + 2u),
      restored_alone(walked, place + 3u),
    );
  }
  var part = codes_at((*walked).bit);
  if (normal || width == 0u || (*walked).position < place + 4u) {
    return vec4f(
      restored_entry(walked, place, &part),
      restored_entry(walked, place + 1u, &part),
      restored_entry(walked, place + 2u, &part),
      restored_entry(walked, place + 3u, &part),
    );
  }
  (*walked).bit += 4u * width;
  let four = (vec4u(part) >> (vec4u(0u, 1u, 2u, 3u) * width)) & vec4u((1u << width) - 1u);
  return (vec4f(four) - exp2(f32(width)) / 2.0) * (*walked).scale + (*walked).mean;
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
  restored[head * job.head_stride + token * fixed_head_dim + channel] = restored_alone(&group, place);
}

// The same binding, four entries at a time; an invocation has `fixed_run` fours, of heads whose channels
// are as many fours or a multiple.
@group(0) @binding(12) var<storage, read_write> restored_quads: array<vec4f>;

@compute @workgroup_size(256)
fn restore_quads(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let runs = fixed_head_dim / (4u * fixed_run);
  let index = flat_workgroup(id, workgroups) * 256u + lane;
  if (index >= fixed_heads * job.tokens * runs) {
    return;
  }
  let quad = index % runs * fixed_run;
  let row = index / runs;
  let head = row / job.tokens;
  let token = row - head * job.tokens;
  let entry = job.base + head * fixed_head_dim + 4u * quad;
  let place = entry % fixed_group_size;
  var group = restored_from(token * fixed_groups + entry / fixed_group_size, place);
  let target_quad = head * (job.head_stride / 4u) + token * (fixed_head_dim / 4u) + quad;
  for (var q = 0u; q < fixed_run; q++) {
    restored_quads[target_quad + q] = restored_quad(&group, place + 4u * q);
  }
}
