// Streams from components. A stream is a chain of states, and yet written by many at once: a state keeps
// nothing but its uppermost bits from one symbol to the next, so that after some symbols a chain is the
// same wherever it began. Every invocation goes through a part of the symbols from a guess, and again
// from where the part before it has ended for as long as that is news. Behind it stands
// `transform_streams.wgsl`.

// Bits of each group's stream at each level.
@group(0) @binding(6) var<storage, read_write> stream_lengths: array<u32>;
// Of each group's stream at each level, part after part, the state and the bit that it begins with.
@group(0) @binding(7) var<storage, read_write> parts: array<vec2u>;
// Of each group's stream at each level, symbol after symbol, its entry of `alphabets`, and above it how
// many bytes follow.
@group(0) @binding(8) var<storage, read_write> entries: array<u32>;
// Level of each group's stream.
@group(0) @binding(9) var<storage, read_write> chosen: array<u32>;
// Shift of each group's bands, level after level.
@group(0) @binding(10) var<storage, read_write> shifts: array<u32>;
// Level of the last group of all.
@group(0) @binding(11) var<storage, read_write> last_level: array<u32>;
// Streams behind each other, of zeros.
@group(0) @binding(12) var<storage, read_write> streams: array<atomic<u32>>;

// Half a step, less the dead zone.
override rounding: f32 = 0.4;
// Symbols of a part at least: less would hardly do for two chains to meet.
const least_part = 32u;

// Symbol of a component, and above it what follows an escape: a byte, and above that two.
fn code_of(value: f32, k: u32, level: Level) -> u32 {
  let most = symbols / 2u;
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
  for (var k = band * band_components; k < end; k++) {
    var bases = array<u32, 8>();
    for (var shift = 0u; shift < shift_count; shift++) {
      bases[shift] = base_of(k, level, shift_quarters[shift]);
    }
    for (var token = 0u; token < group_tokens; token++) {
      let symbol = code_of(values[(group * group_tokens + token) * job.stored + k], k, level) & 0xffu;
      for (var shift = 0u; shift < shift_count; shift++) {
        costs[shift] += alphabets[bases[shift] + symbol].z;
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

fn group_symbols() -> u32 {
  return group_tokens * job.stored;
}

// How many bytes follow a symbol.
fn raw_bytes(code: u32, exact: bool) -> u32 {
  if ((code & 0xffu) < escape) {
    return 0u;
  }
  if (exact) {
    return 2u;
  }
  return select(1u, 3u, (code >> 8u & more_follows) == more_follows);
}

// One invocation per symbol of each group's stream at each level.
@compute @workgroup_size(workgroup_threads)
fn find_entries(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index >= groups_of_job() * job.levels * group_symbols()) {
    return;
  }
  let stream = index / group_symbols();
  let at = index % group_symbols();
  let k = at % job.stored;
  let level = level_at(job.first_level + stream % job.levels);
  let code = code_of(values[stream / job.levels * group_symbols() + at], k, level);
  let shifted = shift_quarters[shifts[stream * bands() + k / band_components]];
  let entry = alphabets[base_of(k, level, shifted) + (code & 0xffu)].x;
  entries[index] = entry | raw_bytes(code, is_exact(k, level)) << bytes_shift;
}

// Symbols of a part. The last ones come first: a stream is read backwards.
fn part_symbols() -> u32 {
  return max(least_part, (group_symbols() + workgroup_threads - 1u) / workgroup_threads);
}

// Parts that have symbols; the first of all need not.
fn part_count() -> u32 {
  return max(1u, (group_symbols() + part_symbols() - 1u) / part_symbols());
}

// Bits ahead of the first symbol's.
fn head_bits() -> u32 {
  return level_bits + shift_bits * bands();
}

// Sets bits that are 0.
fn push_bits(at: u32, value: u32, width: u32) {
  let shift = at & 31u;
  atomicOr(&streams[at >> 5u], value << shift);
  if (shift + width > 32u) {
    atomicOr(&streams[(at >> 5u) + 1u], value >> (32u - shift));
  }
}

// A state and the bit that comes next.
struct Place {
  state: u32,
  bit: u32,
}

// Where a part of a group's stream at a level ends that begins at a place; its bits are written, or only
// counted.
fn passed(group: u32, level: u32, part: u32, place: Place, written: bool) -> Place {
  let first = (group * job.levels + level - job.first_level) * group_symbols();
  let end = group_symbols() - min(group_symbols(), part * part_symbols());
  let begin = group_symbols() - min(group_symbols(), (part + 1u) * part_symbols());
  var state = place.state;
  var bit = place.bit;
  for (var left = end; left > begin; left--) {
    let entry = entries[first + left - 1u];
    let bytes = entry >> bytes_shift;
    if (written && bytes > 0u) {
      let value = values[group * group_symbols() + left - 1u];
      let raw = code_of(value, (left - 1u) % job.stored, level_at(level)) >> 8u;
      if (bytes > 1u) {
        push_bits(bit, raw >> byte_bits, word_bits);
      }
      if (bytes != 2u) {
        push_bits(bit + (bytes - 1u) * byte_bits, raw & 0xffu, byte_bits);
      }
    }
    bit += bytes * byte_bits;
    let frequency = frequency_in(entry);
    var leaving = most_leaving_in(entry);
    if ((state >> leaving) < (frequency << (state_bits - frequency_bits))) {
      leaving--;
    }
    if (written && leaving > 0u) {
      push_bits(bit, state & ((1u << leaving) - 1u), leaving);
    }
    bit += leaving;
    state >>= leaving;
    let quotient = state / frequency;
    state = (quotient << frequency_bits) + (state - quotient * frequency) + start_in(entry);
  }
  return Place(state, bit);
}

// States that the parts of a stream have ended with, and whether one of them was news.
var<workgroup> last_states: array<u32, workgroup_threads>;
var<workgroup> news: u32;

// One workgroup per group and level.
@compute @workgroup_size(workgroup_threads)
fn measure_streams(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) part: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= groups_of_job() * job.levels) {
    return;
  }
  let group = index / job.levels;
  let level = job.first_level + index % job.levels;
  var first = lowest_state;
  var end = passed(group, level, part, Place(first, 0u), false);
  loop {
    last_states[part] = end.state;
    news = 0u;
    workgroupBarrier();
    let before = last_states[max(part, 1u) - 1u];
    let own = part > 0u && part < part_count() && before != first;
    if (own) {
      news = 1u;
    }
    if (workgroupUniformLoad(&news) == 0u) {
      break;
    }
    if (own) {
      first = before;
      end = passed(group, level, part, Place(first, 0u), false);
    }
  }
  let bit = head_bits() + sum_before(vec4u(end.bit, 0u, 0u, 0u), part).x;
  parts[index * workgroup_threads + part] = vec2u(first, bit);
  if (part == part_count() - 1u) {
    stream_lengths[index] = bit + end.bit + state_bits;
  }
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

// One workgroup per group.
@compute @workgroup_size(workgroup_threads)
fn write_streams(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) part: u32,
) {
  let group = flat_workgroup(id, workgroups);
  if (group >= groups_of_job()) {
    return;
  }
  let index = chosen[group];
  let start = 32u * (first_word(job.first_group + group) - first_word(job.first_group));
  if (part == 0u) {
    push_bits(start, index, level_bits);
  }
  if (index == nothing_coded) {
    return;
  }
  let stream = group * job.levels + index - job.first_level;
  for (var band = part; band < bands(); band += workgroup_threads) {
    push_bits(start + level_bits + shift_bits * band, shifts[stream * bands() + band], shift_bits);
  }
  let begin = parts[stream * workgroup_threads + part];
  let end = passed(group, index, part, Place(begin.x, start + begin.y), true);
  if (part == part_count() - 1u) {
    push_bits(end.bit, end.state & (lowest_state - 1u), state_bits);
  }
}
