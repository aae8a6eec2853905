// From vectors to components and back. A workgroup has `eights` times eight tokens of a block of channels:
// an invocation has four channels in turn and four stored components, or `each` times as many, of eight
// tokens, so that what it reads of an axis and of a token serves many products. It stands behind
// `transform_axes.wgsl`, `lanes`, which times four times `each` is at least the channels of a block, `each`,
// `eights`, `block_threads`, and `series_terms`, the terms behind the first of the series that inverts
// the axes.

// Of every channel its mean, and above it its scale, both bfloat16.
@group(0) @binding(3) var<storage, read> channels: array<u32>;
// Every stored component.
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(6) var<storage, read> cosine: array<f32>;
@group(0) @binding(7) var<storage, read> sine: array<f32>;
// What `transform_unpack.wgsl` has unpacked.
@group(0) @binding(8) var<storage, read> by_axis: array<vec4f>;
@group(0) @binding(9) var<storage, read> by_channel: array<vec4f>;

const block_numbers = 8u * each * block_threads;
const own_numbers = 4u * each;
const tile_tokens = 8u * eights;

// Numbers of eight tokens, of a channel or a component.
struct Eight {
  a: vec4f,
  b: vec4f,
}

// What the invocations of a workgroup have last put there.
var<workgroup> shown: array<vec4f, block_numbers>;

// Which numbers an invocation has, and of which tokens.
struct Own {
  lane: u32,
  eight: u32,
}

// The channel or component that is an invocation's number `e`.
fn place_of_own(own: Own, e: u32) -> u32 {
  return 4u * (own.lane + e / 4u * lanes) + e % 4u;
}

fn show(numbers: array<Eight, own_numbers>, own: Own) {
  var given = numbers;
  workgroupBarrier();
  for (var e = 0u; e < own_numbers; e++) {
    let at = 2u * (place_of_own(own, e) * eights + own.eight);
    shown[at] = given[e].a;
    shown[at + 1u] = given[e].b;
  }
  workgroupBarrier();
}

// What is shown of a channel or a component.
fn shown_at(place: u32, own: Own) -> Eight {
  let at = 2u * (place * eights + own.eight);
  return Eight(shown[at], shown[at + 1u]);
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

// Numbers of four channels or components that lie side by side.
struct Four {
  a: mat4x4f,
  b: mat4x4f,
}

fn plus_products(sums: Four, numbers: Eight, entries: vec4f) -> Four {
  return Four(
    mat4x4f(
      sums.a[0] + numbers.a * entries.x,
      sums.a[1] + numbers.a * entries.y,
      sums.a[2] + numbers.a * entries.z,
      sums.a[3] + numbers.a * entries.w,
    ),
    mat4x4f(
      sums.b[0] + numbers.b * entries.x,
      sums.b[1] + numbers.b * entries.y,
      sums.b[2] + numbers.b * entries.z,
      sums.b[3] + numbers.b * entries.w,
    ),
  );
}

// What the components of a block, which are shown, make of four of its channels.
fn turned_back(block: Block, quad: u32, own: Own) -> Four {
  var sums = Four();
  for (var k = 0u; k < block.components; k++) {
    let entries = by_axis[(block.first + k) * block_quads + quad];
    sums = plus_products(sums, shown_at(k, own), entries);
  }
  return sums;
}

// What the rest, which is shown, has along four axes of a block.
fn along(block: Block, quad: u32, own: Own) -> Four {
  var sums = Four();
  for (var c = 0u; c < block_channels; c++) {
    let entries = by_channel[(block.index * block_channels + c) * block_quads + quad];
    sums = plus_products(sums, shown_at(c, own), entries);
  }
  return sums;
}

@compute @workgroup_size(block_threads)
fn transform(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(id, workgroups);
  let block_count = job.heads / job.block_heads;
  if (index / block_count * tile_tokens >= job.tokens) {
    return;
  }
  let own = Own(thread % lanes, thread / lanes);
  let first = index / block_count * tile_tokens + 8u * own.eight;
  let present = first < job.tokens;
  let block = block_at(index % block_count);
  var vector = array<Eight, own_numbers>();
  for (var e = 0u; e < own_numbers; e++) {
    let place = place_of_own(own, e);
    if (present && place < block_channels) {
      let c = block.index * block_channels + place;
      let mean = mean_of(c);
      let scale = scale_of(c);
      for (var t = 0u; t < 4u; t++) {
        vector[e].a[t] = (channel_of(c, job.first + first + t) - mean) * scale;
        vector[e].b[t] = (channel_of(c, job.first + first + t + 4u) - mean) * scale;
      }
    }
  }
  var component = array<Eight, own_numbers>();
  show(vector, own);
  // Axes are nearly orthogonal: what they leave goes through them again.
  for (var term = 0u; term < series_terms; term++) {
    for (var e = 0u; e < own_numbers; e += 4u) {
      if (place_of_own(own, e) < block.components) {
        let more = along(block, place_of_own(own, e) / 4u, own);
        for (var i = 0u; i < 4u; i++) {
          component[e + i].a += more.a[i];
          component[e + i].b += more.b[i];
        }
      }
    }
    show(component, own);
    var rest = vector;
    for (var e = 0u; e < own_numbers; e += 4u) {
      if (place_of_own(own, e) < block_channels) {
        let back = turned_back(block, place_of_own(own, e) / 4u, own);
        for (var i = 0u; i < 4u; i++) {
          rest[e + i].a -= back.a[i];
          rest[e + i].b -= back.b[i];
        }
      }
    }
    show(rest, own);
  }
  for (var e = 0u; e < own_numbers; e += 4u) {
    let place = place_of_own(own, e);
    if (present && place < block.components) {
      let more = along(block, place / 4u, own);
      for (var i = 0u; i < min(4u, block.components - place); i++) {
        for (var t = 0u; t < 4u; t++) {
          let at = (first + t) * job.stored + block.first + place + i;
          values[at] = finite_half(component[e + i].a[t] + more.a[i][t]);
          values[at + 4u * job.stored] = finite_half(component[e + i].b[t] + more.b[i][t]);
        }
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
  if (index / block_count * tile_tokens >= job.tokens) {
    return;
  }
  let own = Own(thread % lanes, thread / lanes);
  let first = index / block_count * tile_tokens + 8u * own.eight;
  let present = first < job.tokens;
  let block = block_at(index % block_count);
  let first_channel = block.index * block_channels;
  var component = array<Eight, own_numbers>();
  for (var e = 0u; e < own_numbers; e++) {
    let place = place_of_own(own, e);
    if (present && place < block.components) {
      for (var t = 0u; t < 4u; t++) {
        let at = (first + t) * job.stored + block.first + place;
        component[e].a[t] = values[at];
        component[e].b[t] = values[at + 4u * job.stored];
      }
    }
  }
  show(component, own);
  var vector = array<Eight, own_numbers>();
  for (var e = 0u; e < own_numbers; e += 4u) {
    let place = place_of_own(own, e);
    if (place < block_channels) {
      let back = turned_back(block, place / 4u, own);
      for (var i = 0u; i < min(4u, block_channels - place); i++) {
        // A channel of scale 0 is its mean.
        let c = first_channel + place + i;
        let scale = scale_of(c);
        vector[e + i] = Eight(vec4f(mean_of(c)), vec4f(mean_of(c)));
        if (scale != 0.0) {
          vector[e + i].a += back.a[i] / scale;
          vector[e + i].b += back.b[i] / scale;
        }
      }
    }
  }
  show(vector, own);
  for (var e = 0u; e < own_numbers; e++) {
    let place = place_of_own(own, e);
    if (present && place < block_channels) {
      place_channel(first_channel + place, place, own, first);
    }
  }
}

// Puts a channel where eight tokens are in the tensor, turned to their positions where the job says so.
fn place_channel(c: u32, place: u32, own: Own, first: u32) {
  let half = job.head_dim / 2u;
  let d = place % job.head_dim;
  // The channel that it is turned with.
  let partner = select(place + half, place - half, d >= half);
  let at = 2u * (place * eights + own.eight);
  let beside_at = 2u * (partner * eights + own.eight);
  for (var t = 0u; t < 8u; t++) {
    let token = job.first + first + t;
    var x = shown[at + t / 4u][t % 4u];
    if (job.rotate != 0u) {
      let angle = token * half + d % half;
      let beside = shown[beside_at + t / 4u][t % 4u];
      let other = select(-beside, beside, d >= half);
      x = x * cosine[angle] + other * sine[angle];
    }
    tensor[place_of(c, token)] = x;
  }
}
