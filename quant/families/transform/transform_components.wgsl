// From vectors to components and back. One workgroup has eight tokens of a block of channels: an
// invocation has a channel in turn and a stored component, or `each` of them, and what it reads of an
// axis serves all eight tokens. It stands behind `transform_axes.wgsl`, `block_threads` and `each`, whose
// product is at least the channels of a block, and `series_terms`, the terms behind the first of the series
// that inverts the axes.

// Of every channel its mean, and above it its scale, both bfloat16.
@group(0) @binding(3) var<storage, read> channels: array<u32>;
// Every stored component.
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(6) var<storage, read> cosine: array<f32>;
@group(0) @binding(7) var<storage, read> sine: array<f32>;
// What `transform_unpack.wgsl` has unpacked.
@group(0) @binding(8) var<storage, read> by_axis: array<f32>;
@group(0) @binding(9) var<storage, read> by_channel: array<f32>;

const tile_tokens = 8u;
const block_numbers = 2u * each * block_threads;

// Numbers of eight tokens, of a channel or a component.
struct Eight {
  a: vec4f,
  b: vec4f,
}

// What the invocations of a workgroup have last put there.
var<workgroup> shown: array<vec4f, block_numbers>;

fn show(own: array<Eight, each>, thread: u32) {
  var numbers = own;
  workgroupBarrier();
  for (var e = 0u; e < each; e++) {
    let place = thread + e * block_threads;
    shown[2u * place] = numbers[e].a;
    shown[2u * place + 1u] = numbers[e].b;
  }
  workgroupBarrier();
}

fn mean_of(c: u32) -> f32 {
  return bitcast<f32>(channels[c] << 16u);
}

fn scale_of(c: u32) -> f32 {
  return bitcast<f32>(channels[c] & 0xffff0000u);
}

// Where a channel of a token is in the tensor.
fn place_of(c: u32, token: u32) -> u32 {
  return (c / job.head_dim * job.capacity + token) * job.head_dim + c % job.head_dim;
}

// What the components of a block, which are shown, make of one of its channels.
fn turned_back(block: vec2u, c: u32) -> Eight {
  var sum = Eight(vec4f(0.0), vec4f(0.0));
  for (var k = 0u; k < block.y; k++) {
    let entry = by_axis[(block.x + k) * block_channels + c];
    sum.a += shown[2u * k] * entry;
    sum.b += shown[2u * k + 1u] * entry;
  }
  return sum;
}

// What the rest, which is shown, has along the `k`th axis of a block.
fn along(block: vec2u, k: u32) -> Eight {
  let first = block.x * block_channels + k;
  var sum = Eight(vec4f(0.0), vec4f(0.0));
  for (var c = 0u; c < block_channels; c++) {
    let entry = by_channel[first + c * block.y];
    sum.a += entry * shown[2u * c];
    sum.b += entry * shown[2u * c + 1u];
  }
  return sum;
}

@compute @workgroup_size(block_threads)
fn transform(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(id, workgroups);
  let block_count = job.heads / job.block_heads;
  let first = index / block_count * tile_tokens;
  if (first >= job.tokens) {
    return;
  }
  let block = block_at(index % block_count);
  let first_channel = index % block_count * block_channels;
  var vector = array<Eight, each>();
  for (var e = 0u; e < each; e++) {
    let place = thread + e * block_threads;
    if (place < block_channels) {
      let c = first_channel + place;
      let mean = mean_of(c);
      let scale = scale_of(c);
      for (var t = 0u; t < 4u; t++) {
        vector[e].a[t] = (channel_of(c, job.first + first + t) - mean) * scale;
        vector[e].b[t] = (channel_of(c, job.first + first + t + 4u) - mean) * scale;
      }
    }
  }
  var component = array<Eight, each>();
  show(vector, thread);
  // Axes are nearly orthogonal: what they leave goes through them again.
  for (var term = 0u; term < series_terms; term++) {
    for (var e = 0u; e < each; e++) {
      let place = thread + e * block_threads;
      if (place < block.y) {
        let more = along(block, place);
        component[e].a += more.a;
        component[e].b += more.b;
      }
    }
    show(component, thread);
    var rest = vector;
    for (var e = 0u; e < each; e++) {
      let place = thread + e * block_threads;
      if (place < block_channels) {
        let back = turned_back(block, place);
        rest[e].a -= back.a;
        rest[e].b -= back.b;
      }
    }
    show(rest, thread);
  }
  for (var e = 0u; e < each; e++) {
    let place = thread + e * block_threads;
    if (place < block.y) {
      let more = along(block, place);
      for (var t = 0u; t < 4u; t++) {
        let at = (first + t) * job.stored + block.x + place;
        values[at] = finite_half(component[e].a[t] + more.a[t]);
        values[at + 4u * job.stored] = finite_half(component[e].b[t] + more.b[t]);
      }
    }
  }
}

// A channel of a token.
fn channel_of(c: u32, token: u32) -> f32 {
  let x = tensor[place_of(c, token)];
  if (!is_finite_value(x)) {
    report_not_finite(token, job.heads, c / job.head_dim);
  }
  return x;
}

@compute @workgroup_size(block_threads)
fn rebuild(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(id, workgroups);
  let block_count = job.heads / job.block_heads;
  let first = index / block_count * tile_tokens;
  if (first >= job.tokens) {
    return;
  }
  let block = block_at(index % block_count);
  let first_channel = index % block_count * block_channels;
  var component = array<Eight, each>();
  for (var e = 0u; e < each; e++) {
    let place = thread + e * block_threads;
    if (place < block.y) {
      for (var t = 0u; t < 4u; t++) {
        let at = (first + t) * job.stored + block.x + place;
        component[e].a[t] = values[at];
        component[e].b[t] = values[at + 4u * job.stored];
      }
    }
  }
  show(component, thread);
  var vector = array<Eight, each>();
  for (var e = 0u; e < each; e++) {
    let place = thread + e * block_threads;
    if (place < block_channels) {
      let back = turned_back(block, place);
      // A channel of scale 0 is its mean.
      let c = first_channel + place;
      let scale = scale_of(c);
      vector[e] = Eight(vec4f(mean_of(c)), vec4f(mean_of(c)));
      if (scale != 0.0) {
        vector[e].a += back.a / scale;
        vector[e].b += back.b / scale;
      }
    }
  }
  show(vector, thread);
  for (var e = 0u; e < each; e++) {
    let place = thread + e * block_threads;
    if (place < block_channels) {
      place_channel(first_channel + place, place, first);
    }
  }
}

// Puts a channel where eight tokens are in the tensor, turned to their positions where the job says so.
fn place_channel(c: u32, place: u32, first: u32) {
  let half = job.head_dim / 2u;
  let d = place % job.head_dim;
  // The channel that it is turned with.
  let partner = select(place + half, place - half, d >= half);
  for (var t = 0u; t < tile_tokens; t++) {
    let token = job.first + first + t;
    var x = shown[2u * place + t / 4u][t % 4u];
    if (job.rotate != 0u) {
      let angle = token * half + d % half;
      let beside = shown[2u * partner + t / 4u][t % 4u];
      let other = select(-beside, beside, d >= half);
      x = x * cosine[angle] + other * sine[angle];
    }
    tensor[place_of(c, token)] = x;
  }
}
