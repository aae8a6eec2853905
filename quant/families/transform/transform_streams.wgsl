// The entropy coder of packing/entropy_coder.ts: one invocation per stream.

// Per stored component and symbol: its frequency, and above it the sum up to and including it.
@group(0) @binding(2) var<storage, read> alphabets: array<u32>;
// Symbol of every component, and above it the 16 bits that follow an escape.
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
// Streams with room between them.
@group(0) @binding(4) var<storage, read_write> loose: array<u32>;
// Bits of each stream of this dispatch.
@group(0) @binding(5) var<storage, read_write> lengths: array<u32>;
// Bit behind the last of every stream.
@group(0) @binding(6) var<storage, read_write> stream_ends: array<u32>;
// Streams behind each other.
@group(0) @binding(7) var<storage, read_write> streams: array<u32>;

const frequency_bits = 12u;
const state_bits = 16u;
const raw_bits = 16u;

fn groups_of_job() -> u32 {
  return job.tokens / group_tokens;
}

// Word that a group's stream begins with.
fn first_word(group: u32) -> u32 {
  if (group == 0u) {
    return 0u;
  }
  return (stream_ends[group - 1u] + 31u) / 32u;
}

// Sets bits that are 0, of words that nobody else writes.
fn push_bits(at: u32, value: u32, width: u32) {
  let shift = at & 31u;
  loose[at >> 5u] |= value << shift;
  if (shift + width > 32u) {
    loose[(at >> 5u) + 1u] = value >> (32u - shift);
  }
}

@compute @workgroup_size(workgroup_threads)
fn write_streams(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let group = flat_index(id, workgroups);
  if (group >= groups_of_job()) {
    return;
  }
  let start = group * job.room * 32u;
  let first = group * group_tokens * job.stored;
  var bits = 0u;
  var state = 1u << state_bits;
  for (var left = group_tokens * job.stored; left > 0u; left--) {
    let code = codes[first + left - 1u];
    let symbol = code & 0xffffu;
    if (symbol == job.symbols - 1u) {
      push_bits(start + bits, code >> 16u, raw_bits);
      bits += raw_bits;
    }
    let entry = alphabets[((left - 1u) % job.stored) * job.symbols + symbol];
    let frequency = entry & 0xffffu;
    var leaving = countLeadingZeros(frequency) - (31u - frequency_bits);
    if ((state >> leaving) < (frequency << (state_bits - frequency_bits))) {
      leaving--;
    }
    if (leaving > 0u) {
      push_bits(start + bits, state & ((1u << leaving) - 1u), leaving);
      bits += leaving;
      state >>= leaving;
    }
    let quotient = state / frequency;
    state = (quotient << frequency_bits) + (state - quotient * frequency) + (entry >> 16u) - frequency;
  }
  push_bits(start + bits, state & ((1u << state_bits) - 1u), state_bits);
  lengths[group] = bits + state_bits;
}

// One invocation: an addition per stream.
@compute @workgroup_size(1)
fn find_ends() {
  var word = first_word(job.first_group);
  for (var group = 0u; group < groups_of_job(); group++) {
    let end = 32u * word + lengths[group];
    stream_ends[job.first_group + group] = end;
    word = (end + 31u) / 32u;
  }
}

// One workgroup per stream.
@compute @workgroup_size(workgroup_threads)
fn close_ranks(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = flat_workgroup(id, workgroups);
  if (group >= groups_of_job()) {
    return;
  }
  let words = (lengths[group] + 31u) / 32u;
  let to = first_word(job.first_group + group) - first_word(job.first_bound);
  for (var word = lane; word < words; word += workgroup_threads) {
    streams[to + word] = loose[group * job.room + word];
  }
}

fn read_bits(at: u32, width: u32) -> u32 {
  let shift = at & 31u;
  var value = streams[at >> 5u] >> shift;
  if (shift + width > 32u) {
    value |= streams[(at >> 5u) + 1u] << (32u - shift);
  }
  return value & ((1u << width) - 1u);
}

// Moves `step` symbols on if the slot lies behind all that are passed over.
fn passed(symbol: u32, step: u32, base: u32, slot: u32) -> u32 {
  let next = symbol + step;
  if (next < job.symbols && slot >= (alphabets[base + next - 1u] >> 16u)) {
    return next;
  }
  return symbol;
}

// The symbol whose slots hold this one, by bisection. No loop: a software driver counts iterations,
// those of inner loops too, and gives up after 65,535 of them.
fn symbol_at(base: u32, slot: u32) -> u32 {
  var symbol = passed(0u, 128u, base, slot);
  symbol = passed(symbol, 64u, base, slot);
  symbol = passed(symbol, 32u, base, slot);
  symbol = passed(symbol, 16u, base, slot);
  symbol = passed(symbol, 8u, base, slot);
  symbol = passed(symbol, 4u, base, slot);
  symbol = passed(symbol, 2u, base, slot);
  return passed(symbol, 1u, base, slot);
}

@compute @workgroup_size(workgroup_threads)
fn read_streams(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let group = flat_index(id, workgroups);
  if (group >= groups_of_job()) {
    return;
  }
  let first = group * group_tokens * job.stored;
  var at = stream_ends[job.first_group + group] - 32u * first_word(job.first_bound) - state_bits;
  var state = (1u << state_bits) | read_bits(at, state_bits);
  for (var i = 0u; i < group_tokens * job.stored; i++) {
    let slot = state & ((1u << frequency_bits) - 1u);
    let base = (i % job.stored) * job.symbols;
    let symbol = symbol_at(base, slot);
    let entry = alphabets[base + symbol];
    let frequency = entry & 0xffffu;
    state = frequency * (state >> frequency_bits) + slot + frequency - (entry >> 16u);
    let entering = countLeadingZeros(state) - (31u - state_bits);
    if (entering > 0u) {
      at -= entering;
      state = (state << entering) | read_bits(at, entering);
    }
    var raw = 0u;
    if (symbol == job.symbols - 1u) {
      at -= raw_bits;
      raw = read_bits(at, raw_bits);
    }
    codes[first + i] = symbol | raw << 16u;
  }
}
