// What is said of streams by the kernels that write them and those that read them: the entropy coder
// of packing/entropy_coder.ts, its tables, and levels. Before it stands `symbols`,
// those of an alphabet.

// Per table and symbol: its frequency, above it how many bits leave a state before it at most, and above
// these the sum of the frequencies before it; the bits of the level, a float32, in steps; and what it costs.
@group(0) @binding(2) var<storage, read> alphabets: array<vec4u>;
// Every stored component of the tokens.
@group(0) @binding(3) var<storage, read_write> values: array<f32>;
// Of every stored component its table, at the planned level and without a shift, and above it its step,
// bfloat16; negative where it is exact, see `is_exact`.
@group(0) @binding(4) var<storage, read> planned: array<u32>;
// Bit behind the last of every stream.
@group(0) @binding(5) var<storage, read_write> stream_ends: array<u32>;

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
const lowest_state = 1u << state_bits;
const escape = symbols - 1u;
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

// The table of the same shape for a step that is wider by so many quarters of an octave.
fn coarser_table(table: u32, quarters: i32) -> u32 {
  let ratio = table % ratios;
  return table - ratio + u32(clamp(i32(ratio) + quarters, 0, i32(ratios) - 1));
}

// Where the alphabet of a stored component begins, whose band is shifted by so many quarters.
fn base_of(k: u32, level: Level, shifted: i32) -> u32 {
  if (is_exact(k, level)) {
    return certain_escape * symbols;
  }
  let table = coarser_table(planned[k] & 0xffffu, level.quarters);
  return coarser_table(table, shifted) * symbols;
}

// The parts of an entry of `alphabets`.
const most_shift = 13u;
const start_shift = 17u;
const bytes_shift = 29u;

fn frequency_in(entry: u32) -> u32 {
  return entry & ((1u << most_shift) - 1u);
}

fn most_leaving_in(entry: u32) -> u32 {
  return entry >> most_shift & 0xfu;
}

fn start_in(entry: u32) -> u32 {
  return entry >> start_shift & ((1u << frequency_bits) - 1u);
}
