// The entropy coder of packing/entropy_coder.ts: one invocation per stream.

// Per table and symbol: its frequency, above it the sum up to and including it; the bits of the level,
// a float32, in steps; and what it costs.
@group(0) @binding(2) var<storage, read> alphabets: array<vec4u>;
// Every stored component of the tokens.
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
// Streams with room between them.
@group(0) @binding(4) var<storage, read_write> loose: array<u32>;
// Bits of each group's stream at each level.
@group(0) @binding(5) var<storage, read_write> stream_lengths: array<u32>;
// Bit behind the last of every stream.
@group(0) @binding(6) var<storage, read_write> stream_ends: array<u32>;
// Streams behind each other.
@group(0) @binding(7) var<storage, read_write> streams: array<u32>;
// Of every stored component its table, at the planned level and without a shift, and above it its step,
// bfloat16; negative where it is exact, see `is_exact`.
@group(0) @binding(8) var<storage, read> planned: array<u32>;
// Level of each group's stream.
@group(0) @binding(10) var<storage, read_write> chosen: array<u32>;
// Shift of each group's bands, level after level.
@group(0) @binding(11) var<storage, read_write> shifts: array<u32>;
// Level of the last group of all.
@group(0) @binding(12) var<storage, read_write> last_level: array<u32>;

// Half a step, less the dead zone.
override rounding: f32 = 0.4;
// What steps are multiplied by, level after level.
const factors = array<f32, 11>(
  0.25, 0.3535533845424652, 0.5, 0.7071067690849304,
  1.0, 1.4142135381698608, 2.0, 2.8284270763397217,
  4.0, 8.0, 16.0,
);
// Quarters of an octave that these are, and that tables are shifted by.
const level_quarters = array<i32, 11>(-8, -6, -4, -2, 0, 2, 4, 6, 8, 12, 16);
const shift_quarters = array<i32, 8>(-8, -5, -2, 0, 2, 4, 7, 11);
const ratios = 25u;
const certain_escape = 200u;
const planned_level = 4u;
const nothing_coded = 11u;
const level_bits = 4u;
const shift_bits = 3u;
const shift_count = 8u;
const band_components = 8u;

const frequency_bits = 12u;
const state_bits = 16u;
const byte_bits = 8u;
const word_bits = 16u;
const more_follows = 0x7fu;

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

fn planned_step(k: u32) -> f32 {
  return bitcast<f32>(planned[k] & 0xffff0000u);
}

// A level with what the tables above say of it: a constant array is written to memory by whoever looks
// something up in it, which is too much to do for every symbol.
struct Level {
  index: u32,
  factor: f32,
  quarters: i32,
}

fn level_at(index: u32) -> Level {
  return Level(index, factors[index], level_quarters[index]);
}

// Step of a stored component at a level.
fn step_of(k: u32, level: Level) -> f32 {
  return abs(planned_step(k)) * level.factor;
}

fn bands() -> u32 {
  return (job.stored + band_components - 1u) / band_components;
}

// Whether a component is exact at a level.
fn is_exact(k: u32, level: Level) -> bool {
  return level.index <= planned_level && planned_step(k) < 0.0;
}

// Symbol of a component, and above it what follows an escape: a byte, and above that two.
fn code_of(value: f32, k: u32, level: Level) -> u32 {
  let escape = job.symbols - 1u;
  let most = job.symbols / 2u;
  let magnitude = u32(min(floor(abs(value) / step_of(k, level) + rounding), 65535.0));
  let exact = is_exact(k, level);
  if (!exact && magnitude < most) {
    return select(2u * magnitude, 2u * magnitude - 1u, value > 0.0 && magnitude > 0u);
  }
  var beyond = more_follows;
  if (!exact) {
    beyond = min(magnitude - most, more_follows);
  }
  var raw = select(beyond, beyond | (more_follows + 1u), value < 0.0);
  if (beyond == more_follows) {
    raw |= half_bits(value) << byte_bits;
  }
  return escape | raw << 8u;
}

// The table of the same shape for a step that is wider by so many quarters of an octave.
fn coarser_table(table: u32, quarters: i32) -> u32 {
  let ratio = table % ratios;
  return table - ratio + u32(clamp(i32(ratio) + quarters, 0, i32(ratios) - 1));
}

// Where the alphabet of a stored component begins, whose band is shifted by so many quarters.
fn base_of(k: u32, level: Level, shifted: i32) -> u32 {
  if (is_exact(k, level)) {
    return certain_escape * job.symbols;
  }
  let table = coarser_table(planned[k] & 0xffffu, level.quarters);
  return coarser_table(table, shifted) * job.symbols;
}

// One invocation per group, level and band: its tables are shifted to where its symbols cost least.
@compute @workgroup_size(workgroup_threads)
fn fit_bands(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index >= groups_of_job() * job.levels * bands()) {
    return;
  }
  let group = index / (job.levels * bands());
  let level = level_at(job.first_level + index / bands() % job.levels);
  let band = index % bands();
  let end = min(job.stored, (band + 1u) * band_components);
  var costs = array<u32, 8>();
  for (var token = 0u; token < group_tokens; token++) {
    for (var k = band * band_components; k < end; k++) {
      let symbol = code_of(values[(group * group_tokens + token) * job.stored + k], k, level) & 0xffu;
      for (var shift = 0u; shift < shift_count; shift++) {
        costs[shift] += alphabets[base_of(k, level, shift_quarters[shift]) + symbol].z;
      }
    }
  }
  var best = 0u;
  for (var shift = 1u; shift < shift_count; shift++) {
    if (costs[shift] < costs[best]) {
      best = shift;
    }
  }
  shifts[index] = best;
}

// Bits of a group's stream at a level; written or only measured.
fn stream_of(group: u32, index: u32, written: bool) -> u32 {
  if (index == nothing_coded) {
    if (written) {
      push_bits(group * job.room * 32u, index, level_bits);
    }
    return level_bits;
  }
  let level = level_at(index);
  let start = group * job.room * 32u;
  let first = group * group_tokens * job.stored;
  var bits = level_bits + shift_bits * bands();
  var state = 1u << state_bits;
  let first_shift = (group * job.levels + index - job.first_level) * bands();
  if (written) {
    push_bits(start, index, level_bits);
    for (var band = 0u; band < bands(); band++) {
      push_bits(start + level_bits + shift_bits * band, shifts[first_shift + band], shift_bits);
    }
  }
  var k = 0u;
  var shifted = 0;
  for (var left = group_tokens * job.stored; left > 0u; left--) {
    k = select(k - 1u, job.stored - 1u, k == 0u);
    if (k % band_components == band_components - 1u || k == job.stored - 1u) {
      shifted = shift_quarters[shifts[first_shift + k / band_components]];
    }
    let code = code_of(values[first + left - 1u], k, level);
    let symbol = code & 0xffu;
    if (symbol == job.symbols - 1u) {
      let byte = code >> 8u & 0xffu;
      let exact = is_exact(k, level);
      if (exact || (byte & more_follows) == more_follows) {
        if (written) {
          push_bits(start + bits, code >> (8u + byte_bits), word_bits);
        }
        bits += word_bits;
      }
      if (!exact) {
        if (written) {
          push_bits(start + bits, byte, byte_bits);
        }
        bits += byte_bits;
      }
    }
    let entry = alphabets[base_of(k, level, shifted) + symbol].x;
    let frequency = entry & 0xffffu;
    var leaving = countLeadingZeros(frequency) - (31u - frequency_bits);
    if ((state >> leaving) < (frequency << (state_bits - frequency_bits))) {
      leaving--;
    }
    if (leaving > 0u) {
      if (written) {
        push_bits(start + bits, state & ((1u << leaving) - 1u), leaving);
      }
      bits += leaving;
      state >>= leaving;
    }
    let quotient = state / frequency;
    state = (quotient << frequency_bits) + (state - quotient * frequency) + (entry >> 16u) - frequency;
  }
  if (written) {
    push_bits(start + bits, state & ((1u << state_bits) - 1u), state_bits);
  }
  return bits + state_bits;
}

// One invocation per group and level.
@compute @workgroup_size(workgroup_threads)
fn measure_streams(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index >= groups_of_job() * job.levels) {
    return;
  }
  let level = job.first_level + index % job.levels;
  stream_lengths[index] = stream_of(index / job.levels, level, false);
}

// One invocation: every group has the finest level at which all streams keep to their bound, but not
// finer than the group before it by more than one.
@compute @workgroup_size(1)
fn choose_levels() {
  var word = first_word(job.first_group);
  var last = last_level[0];
  if (job.first_group == 0u) {
    last = planned_level;
  }
  for (var group = 0u; group < groups_of_job(); group++) {
    let groups = job.first_group + group + 1u;
    var level = job.first_level;
    if (job.bounded != 0u && last > 0u) {
      level = last - 1u;
    }
    var length = stream_lengths[group * job.levels + level - job.first_level];
    while (job.bounded != 0u && level < nothing_coded
        && 32u * (word + (length + 31u) / 32u + groups) > groups * job.group_bits) {
      level++;
      length = level_bits;
      if (level < nothing_coded) {
        length = stream_lengths[group * job.levels + level];
      }
    }
    chosen[group] = level;
    last = level;
    let end = 32u * word + length;
    stream_ends[groups - 1u] = end;
    word = (end + 31u) / 32u;
  }
  last_level[0] = last;
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
  _ = stream_of(group, chosen[group], true);
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
  let to = first_word(job.first_group + group) - first_word(job.first_bound);
  let words = first_word(job.first_group + group + 1u) - first_word(job.first_group + group);
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
  if (next < job.symbols && slot >= (alphabets[base + next - 1u].x >> 16u)) {
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
  let start = 32u * (first_word(job.first_group + group) - first_word(job.first_bound));
  let index = read_bits(start, level_bits);
  if (index == nothing_coded) {
    for (var i = 0u; i < group_tokens * job.stored; i++) {
      values[first + i] = 0.0;
    }
    return;
  }
  let level = level_at(index);
  var at = stream_ends[job.first_group + group] - 32u * first_word(job.first_bound) - state_bits;
  var state = (1u << state_bits) | read_bits(at, state_bits);
  var next = 0u;
  var shifted = 0;
  for (var i = 0u; i < group_tokens * job.stored; i++) {
    let slot = state & ((1u << frequency_bits) - 1u);
    let k = next;
    next = select(k + 1u, 0u, k + 1u == job.stored);
    if (k % band_components == 0u) {
      let place = start + level_bits + shift_bits * (k / band_components);
      shifted = shift_quarters[read_bits(place, shift_bits)];
    }
    let base = base_of(k, level, shifted);
    let symbol = symbol_at(base, slot);
    let entry = alphabets[base + symbol];
    let frequency = entry.x & 0xffffu;
    state = frequency * (state >> frequency_bits) + slot + frequency - (entry.x >> 16u);
    let entering = countLeadingZeros(state) - (31u - state_bits);
    if (entering > 0u) {
      at -= entering;
      state = (state << entering) | read_bits(at, entering);
    }
    if (symbol < job.symbols - 1u) {
      values[first + i] = bitcast<f32>(entry.y) * step_of(k, level);
      continue;
    }
    var byte = more_follows;
    if (!is_exact(k, level)) {
      at -= byte_bits;
      byte = read_bits(at, byte_bits);
    }
    let beyond = byte & more_follows;
    if (beyond == more_follows) {
      at -= word_bits;
      values[first + i] = half_value(read_bits(at, word_bits));
      continue;
    }
    let value = f32(job.symbols / 2u + beyond) * step_of(k, level);
    values[first + i] = select(value, -value, byte > more_follows);
  }
}
