// NOVA-KV: one workgroup per token and head. Layout and arithmetic are those of nova_settings.ts and
// nova_store_cpu.ts.

struct Job {
  heads: u32,
  head_dim: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  // Position of the first token of this launch, its row, and how many tokens there are.
  first: u32,
  row: u32,
  tokens: u32,
  // Place of the component that the others of a value are clipped to.
  clip_place: u32,
}

override channels: u32 = 64u;

// Of keys `[head][component][channel]`, of values `[component][channel]`.
@group(0) @binding(2) var<storage, read> forward: array<f32>;
// Of keys, `[head][channel][component]`.
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
// `[head][group][codeword]`, four e5m2 numbers in a word.
@group(0) @binding(5) var<storage, read> codebook: array<u32>;
@group(0) @binding(6) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(7) var<storage, read_write> codes: array<u32>;
// Atomic because numbers of two heads may share a word.
@group(0) @binding(8) var<storage, read_write> parameters: array<atomic<u32>>;

const codewords = 256u;

var<workgroup> vector: array<f32, channels>;
var<workgroup> components: array<f32, channels>;
var<workgroup> code: array<u32, channels>;
var<workgroup> clip: f32;

struct Place {
  token: u32,
  head: u32,
  // Of this token and head among all that are stored.
  row: u32,
  // First entry in the tensor.
  at: u32,
}

fn place_at(index: u32) -> Place {
  let token = index / job.heads;
  let head = index % job.heads;
  let at = (head * job.capacity + job.first + token) * job.head_dim;
  return Place(job.first + token, head, (job.row + token) * job.heads + head, at);
}

fn put_number(index: u32, value: f32) {
  atomicOr(&parameters[index >> 1u], half_into(value, index));
}

fn take_number(index: u32) -> f32 {
  return half_in(atomicLoad(&parameters[index >> 1u]), index);
}

fn load_vector(place: Place, centred: bool, thread: u32) {
  for (var c = thread; c < channels; c += workgroup_threads) {
    let x = tensor[place.at + c];
    if (!is_finite_value(x)) {
      report_not_finite(place.token, job.heads, place.head);
    }
    vector[c] = finite_half(x) - select(0.0, mean[select(0u, place.head * channels + c, centred)], centred);
  }
  workgroupBarrier();
}

// A component of the vector, by the matrix that begins at `base`.
fn component(base: u32, i: u32) -> f32 {
  var sum = 0.0;
  for (var c = 0u; c < channels; c++) {
    sum += forward[base + i * channels + c] * vector[c];
  }
  return sum;
}

// Number `d` of a codeword.
fn entry(word: u32, d: u32) -> f32 {
  return half_value(((word >> (8u * d)) & 255u) << 8u);
}

@compute @workgroup_size(workgroup_threads)
fn encode_keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens * job.heads) {
    return;
  }
  let place = place_at(index);
  load_vector(place, true, thread);
  var square = 0.0;
  for (var i = thread; i < channels; i += workgroup_threads) {
    let x = component(place.head * channels * channels, i);
    components[i] = x;
    square += x * x;
  }
  let scale = sqrt(sum_of(square, thread) / f32(channels));
  if (thread == 0u) {
    put_number(place.row, scale);
  }
  let by = select(0.0, 1.0 / scale, scale > 0.0);
  for (var g = thread; g < channels / 4u; g += workgroup_threads) {
    let own = vec4f(
      components[4u * g],
      components[4u * g + 1u],
      components[4u * g + 2u],
      components[4u * g + 3u],
    ) * by;
    var least = 0x1p+126;
    let first = (place.head * channels / 4u + g) * codewords;
    for (var i = 0u; i < codewords; i++) {
      let word = codebook[first + i];
      let off = own - vec4f(entry(word, 0u), entry(word, 1u), entry(word, 2u), entry(word, 3u));
      let distance = dot(off, off);
      if (distance < least) {
        least = distance;
        code[g] = i;
      }
    }
  }
  workgroupBarrier();
  for (var w = thread; w < channels / 16u; w += workgroup_threads) {
    var word = 0u;
    for (var i = 0u; i < 4u; i++) {
      word |= code[4u * w + i] << (8u * i);
    }
    codes[place.row * (channels / 16u) + w] = word;
  }
}

@compute @workgroup_size(workgroup_threads)
fn decode_keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens * job.heads) {
    return;
  }
  let place = place_at(index);
  let scale = take_number(place.row);
  for (var i = thread; i < channels; i += workgroup_threads) {
    let g = i / 4u;
    let found = (codes[place.row * (channels / 16u) + g / 4u] >> (8u * (g % 4u))) & 255u;
    let word = codebook[(place.head * channels / 4u + g) * codewords + found];
    components[i] = entry(word, i % 4u) * scale;
  }
  workgroupBarrier();
  for (var c = thread; c < channels; c += workgroup_threads) {
    var sum = 0.0;
    let base = (place.head * channels + c) * channels;
    for (var i = 0u; i < channels; i++) {
      sum += inverse[base + i] * components[i];
    }
    tensor[place.at + c] = finite_half(sum + mean[place.head * channels + c]);
  }
}

@compute @workgroup_size(workgroup_threads)
fn encode_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens * job.heads) {
    return;
  }
  let place = place_at(index);
  load_vector(place, false, thread);
  for (var i = thread; i < channels; i += workgroup_threads) {
    components[i] = component(0u, i);
  }
  workgroupBarrier();
  for (var i = thread; i < channels; i += workgroup_threads) {
    let own = abs(components[i]);
    var smaller = 0u;
    for (var j = 0u; j < channels; j++) {
      let other = abs(components[j]);
      smaller += select(0u, 1u, other < own || (other == own && j < i));
    }
    if (smaller == job.clip_place) {
      clip = own;
    }
  }
  workgroupBarrier();
  var most = -0x1p+126;
  var least = 0x1p+126;
  for (var i = thread; i < channels; i += workgroup_threads) {
    let x = clamp(components[i], -clip, clip);
    components[i] = x;
    most = max(most, x);
    least = min(least, x);
  }
  most = largest_of(most, thread);
  least = -largest_of(-least, thread);
  let scale = max(most - least, 1e-8) / 3.0;
  let zero = -least / scale;
  if (thread == 0u) {
    put_number(2u * place.row, scale);
    put_number(2u * place.row + 1u, zero);
  }
  for (var w = thread; w < channels / 16u; w += workgroup_threads) {
    var word = 0u;
    for (var i = 0u; i < 16u; i++) {
      let level = floor(components[16u * w + i] / scale + zero + 0.5);
      word |= u32(clamp(level, 0.0, 3.0)) << (2u * i);
    }
    codes[place.row * (channels / 16u) + w] = word;
  }
}

@compute @workgroup_size(workgroup_threads)
fn decode_values(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= job.tokens * job.heads) {
    return;
  }
  let place = place_at(index);
  let scale = take_number(2u * place.row);
  let zero = take_number(2u * place.row + 1u);
  for (var i = thread; i < channels; i += workgroup_threads) {
    let found = (codes[place.row * (channels / 16u) + i / 16u] >> (2u * (i % 16u))) & 3u;
    components[i] = (f32(found) - zero) * scale;
  }
  workgroupBarrier();
  for (var c = thread; c < channels; c += workgroup_threads) {
    var sum = 0.0;
    for (var i = 0u; i < channels; i++) {
      sum += forward[i * channels + c] * components[i];
    }
    tensor[place.at + c] = finite_half(sum);
  }
}
