// Restoring walks the streams: a first kernel finds where each group's codes and outliers begin.

// Bit of the first code, first outlier, outliers, width.
@group(0) @binding(2) var<storage, read_write> located: array<vec4u>;

@group(0) @binding(3) var<storage, read> group_bits: array<u32>;
@group(0) @binding(4) var<storage, read> widths: array<u32>;
@group(0) @binding(5) var<storage, read> exceptions: array<u32>;
@group(0) @binding(6) var<storage, read> state: vec4u;

fn width_of(group: u32) -> u32 {
  if (!adaptive) {
    return group_bits[group % job.groups];
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

fn outliers_of(group: u32, exception: u32) -> u32 {
  if (exception < state.w && exceptions[2u * exception] == group) {
    return exceptions[2u * exception + 1u];
  }
  return job.nominal;
}

// One workgroup: each invocation adds up a run of groups.
@compute @workgroup_size(workgroup_threads)
fn locate(@builtin(local_invocation_index) lane: u32) {
  let count = job.tokens * job.groups;
  let run = (count + workgroup_threads - 1u) / workgroup_threads;
  let first = min(lane * run, count);
  let end = min(first + run, count);
  let first_exception = exception_from(first);
  var exception = first_exception;
  var sum = vec2u(0u);
  for (var g = first; g < end; g++) {
    let outliers = outliers_of(g, exception);
    exception += select(0u, 1u, outliers != job.nominal);
    sum += vec2u((job.group_size - outliers) * width_of(g), outliers);
  }
  var at = sum_before(vec4u(sum, 0u, 0u), lane).xy;
  exception = first_exception;
  for (var g = first; g < end; g++) {
    let outliers = outliers_of(g, exception);
    exception += select(0u, 1u, outliers != job.nominal);
    let width = width_of(g);
    located[g] = vec4u(at, outliers, width);
    at += vec2u((job.group_size - outliers) * width, outliers);
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
  return half_value((scale_mean[place / 2u] >> (place % 2u * 16u)) & 0xffffu);
}

// One invocation per restored value of one layer, in the order of the tensor that is written;
// `base` is the layer's first entry of a token, `head_stride` the tensor's distance between heads.
@compute @workgroup_size(workgroup_threads)
fn restore(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= job.heads * job.tokens * job.head_dim) {
    return;
  }
  let channel = index % job.head_dim;
  let token = index / job.head_dim % job.tokens;
  let head = index / job.head_dim / job.tokens;
  let entry = job.base + head * job.head_dim + channel;
  let group = token * job.groups + entry / job.group_size;
  let place = entry % job.group_size;
  let found = located[group];
  let at = head * job.head_stride + token * job.head_dim + channel;
  var before = 0u;
  for (var o = 0u; o < found.z; o++) {
    let bit = (found.y + o) * job.position_bits;
    let shift = bit & 31u;
    var position = outlier_positions[bit >> 5u] >> shift;
    if (shift + job.position_bits > 32u) {
      position |= outlier_positions[(bit >> 5u) + 1u] << (32u - shift);
    }
    position &= (1u << job.position_bits) - 1u;
    if (position == place) {
      let outlier = found.y + o;
      if (wide) {
        restored[at] = bitcast<f32>(outlier_values[outlier]);
      } else {
        restored[at] = half_value((outlier_values[outlier / 2u] >> (outlier % 2u * 16u)) & 0xffffu);
      }
      return;
    }
    if (position > place) {
      break;
    }
    before++;
  }
  let width = found.w;
  var scale = 0.0;
  var mean = 0.0;
  if (symmetric) {
    scale = stored_float(group);
  } else {
    scale = stored_float(2u * group);
    mean = stored_float(2u * group + 1u);
  }
  if (width == 0u) {
    restored[at] = mean;
    return;
  }
  let bit = found.x + (place - before) * width;
  let shift = bit & 31u;
  var code = codes[bit >> 5u] >> shift;
  if (shift + width > 32u) {
    code |= codes[(bit >> 5u) + 1u] << (32u - shift);
  }
  code &= (1u << width) - 1u;
  if (normal) {
    restored[at] = centres[(1u << width) - 2u + code] * scale + mean;
  } else {
    restored[at] = (f32(code) - exp2(f32(width)) / 2.0) * scale + mean;
  }
}
