// Rows, the channels of one token in one head, each in blocks of its own; the layout is that of
// row_format.ts. One workgroup a row. The family's text behind this one supplies
//   fn fit_block(first: u32, constant: f32) -> Fit        from row[first] on
//   fn code_of(x: f32, coding: vec2f, constant: f32) -> u32
//   fn value_of(code: u32, stored: vec2u, constant: f32) -> f32

struct Job {
  heads: u32,
  // Capacity of the tensor that is read or written.
  capacity: u32,
  // First token that is quantized, and the first one of this launch behind it.
  origin: u32,
  first: u32,
  tokens: u32,
}

// What is fitted to a block: what coding needs, and the numbers to be stored, as bits.
struct Fit {
  coding: vec2f,
  stored: vec2u,
}

override channels: u32 = 64u;
override block_entries: u32 = 32u;
override code_bits: u32 = 8u;
// Width of a block's numbers; 0 where there is none.
override first_bits: u32 = 0u;
override second_bits: u32 = 0u;
// Whether the numbers lie in a buffer of their own.
override apart: bool = false;
override halves: bool = false;
override rotation: u32 = 1u;
// One over the root of `rotation`: a device's own root may be another.
override rotation_scale: f32 = 1.0;
override learned: bool = false;

@group(0) @binding(2) var<storage, read_write> tensor: array<f32>;
// Atomic because blocks and codes share words.
@group(0) @binding(3) var<storage, read_write> codes: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> parameters: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> scales: array<f32>;

var<workgroup> row: array<f32, channels>;
// Of the block that a channel is the first of.
var<workgroup> block_coding: array<vec2f, channels>;

const most_rotated = 1e30;

// Nearest bfloat16 bits, saturating.
fn bfloat16_bits(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return (bits >> 16u & 0x8000u) | min(round_shift(bits & 0x7fffffffu, 16u), 0x7f7fu);
}

// The root as float32 rounds it, but for the last half unit: a device's own may be another.
fn root(x: f32) -> f32 {
  let near = alone(sqrt(x));
  if (near < 1e-15 || near > 1e15) {
    return near;
  }
  let high = bitcast<f32>(bitcast<u32>(near) & 0xfffff000u);
  let low = near - high;
  let rest = ((x - high * high) - 2.0 * high * low) - low * low;
  return near + divide(rest, 2.0 * near);
}

fn row_address(token: u32, head: u32) -> u32 {
  return (head * job.capacity + job.origin + token) * channels;
}

fn constant_of(head: u32) -> f32 {
  if (learned) {
    return scales[head];
  }
  return 1.0;
}

// Bits of the numbers of a block.
fn number_bits() -> u32 {
  return first_bits + second_bits;
}

fn codes_at() -> u32 {
  return select(number_bits(), 0u, apart);
}

fn code_bytes() -> u32 {
  return (codes_at() + block_entries * code_bits) / 8u;
}

fn low_bits(width: u32) -> u32 {
  return select((1u << (width & 31u)) - 1u, 0xffffffffu, width == 32u);
}

fn put_code(byte: u32, bit: u32, width: u32, value: u32) {
  let at = (byte & 3u) * 8u + bit;
  let index = (byte >> 2u) + (at >> 5u);
  let shift = at & 31u;
  atomicOr(&codes[index], value << shift);
  if (shift + width > 32u) {
    atomicOr(&codes[index + 1u], value >> (32u - shift));
  }
}

fn take_code(byte: u32, bit: u32, width: u32) -> u32 {
  let at = (byte & 3u) * 8u + bit;
  let index = (byte >> 2u) + (at >> 5u);
  let shift = at & 31u;
  var value = atomicLoad(&codes[index]) >> shift;
  if (shift + width > 32u) {
    value |= atomicLoad(&codes[index + 1u]) << (32u - shift);
  }
  return value & low_bits(width);
}

// Numbers apart never straddle words: their widths are 8, 16 or 32, and two have one width.
fn put_number(block: u32, bit: u32, width: u32, value: u32) {
  if (width == 0u) {
    return;
  }
  if (apart) {
    let at = (block * (number_bits() / 8u) & 3u) * 8u + bit;
    let index = (block * (number_bits() / 8u) >> 2u) + (at >> 5u);
    atomicOr(&parameters[index], value << (at & 31u));
  } else {
    put_code(block * code_bytes(), bit, width, value);
  }
}

fn take_number(block: u32, bit: u32, width: u32) -> u32 {
  if (width == 0u) {
    return 0u;
  }
  if (apart) {
    let at = (block * (number_bits() / 8u) & 3u) * 8u + bit;
    let index = (block * (number_bits() / 8u) >> 2u) + (at >> 5u);
    return (atomicLoad(&parameters[index]) >> (at & 31u)) & low_bits(width);
  }
  return take_code(block * code_bytes(), bit, width);
}

// First bit, in its block, of the low four bits of a code in the order of halves.
fn nibble_at(i: u32) -> u32 {
  let half = block_entries / 2u;
  return codes_at() + (code_bits - 4u) * block_entries + i % half * 8u + i / half * 4u;
}

// Multiplies the row by normalized Sylvester matrices, as hadamard of random_rotation.ts does.
fn rotate_row(thread: u32) {
  for (var half = 1u; half < rotation; half *= 2u) {
    for (var pair = thread; pair < channels / 2u; pair += workgroup_threads) {
      let i = pair / half * 2u * half + pair % half;
      let a = row[i];
      let b = row[i + half];
      row[i] = a + b;
      row[i + half] = a - b;
    }
    workgroupBarrier();
  }
  for (var c = thread; c < channels; c += workgroup_threads) {
    row[c] = rounded_product(row[c], rotation_scale);
  }
  workgroupBarrier();
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
  let head = index % job.heads;
  let base = row_address(token, head);
  for (var c = thread; c < channels; c += workgroup_threads) {
    let x = tensor[base + c];
    if (!is_finite_value(x)) {
      report_not_finite(job.origin + token, job.heads, head);
    }
    row[c] = x;
    if (rotation > 1u) {
      row[c] = clamp(x, -most_rotated, most_rotated);
    }
  }
  workgroupBarrier();
  if (rotation > 1u) {
    rotate_row(thread);
  }
  let constant = constant_of(head);
  let blocks = channels / block_entries;
  let first_block = (token * job.heads + head) * blocks;
  for (var b = thread; b < blocks; b += workgroup_threads) {
    let fit = fit_block(b * block_entries, constant);
    block_coding[b * block_entries] = fit.coding;
    put_number(first_block + b, 0u, first_bits, fit.stored.x);
    put_number(first_block + b, first_bits, second_bits, fit.stored.y);
  }
  workgroupBarrier();
  for (var c = thread; c < channels; c += workgroup_threads) {
    let i = c % block_entries;
    let code = code_of(row[c], block_coding[c - i], constant);
    let byte = (first_block + c / block_entries) * code_bytes();
    if (halves) {
      put_code(byte, nibble_at(i), 4u, code & 15u);
      if (code_bits > 4u) {
        put_code(byte, codes_at() + i, 1u, code >> 4u);
      }
    } else {
      put_code(byte, codes_at() + i * code_bits, code_bits, code);
    }
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
  let token = index / job.heads;
  let head = index % job.heads;
  let constant = constant_of(head);
  let first_block = index * (channels / block_entries);
  for (var c = thread; c < channels; c += workgroup_threads) {
    let i = c % block_entries;
    let block = first_block + c / block_entries;
    let byte = block * code_bytes();
    var code = 0u;
    if (halves) {
      code = take_code(byte, nibble_at(i), 4u);
      if (code_bits > 4u) {
        code |= take_code(byte, codes_at() + i, 1u) << 4u;
      }
    } else {
      code = take_code(byte, codes_at() + i * code_bits, code_bits);
    }
    let stored = vec2u(
      take_number(block, 0u, first_bits),
      take_number(block, first_bits, second_bits),
    );
    row[c] = value_of(code, stored, constant);
  }
  workgroupBarrier();
  if (rotation > 1u) {
    rotate_row(thread);
  }
  let base = row_address(token, head);
  for (var c = thread; c < channels; c += workgroup_threads) {
    tensor[base + c] = row[c];
  }
}
