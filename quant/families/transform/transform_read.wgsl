// Components from streams. A state has to be known before the next symbol is, and where a stream's bits
// lie with it, so that one invocation reads a stream. The others of its workgroup look up ahead of it
// which alphabets it will need, and turn what it has found into components. Behind it stands
// `transform_streams.wgsl`.

// Of every alphabet a row of entries: of the symbols that equal ranges of them begin with. Where there
// are fewer symbols than that, the others are never reached.
@group(0) @binding(6) var<storage, read> rows: array<vec4u>;
// Streams behind each other.
@group(0) @binding(7) var<storage, read> streams: array<u32>;

// Streams of a workgroup, and symbols of each between two halts.
const reading_streams = 4u;
const reading_symbols = 128u;
const read_together = reading_streams * reading_symbols;
const row_quads = clamp(symbols / 4u, 1u, 4u);
const range_symbols = max(symbols / 16u, 1u);

// Where the alphabets of the symbols begin, and symbols with what follows escapes, as `code_of` has them.
var<workgroup> bases: array<u32, read_together>;
var<workgroup> codes: array<u32, read_together>;

fn read_bits(at: u32, width: u32) -> u32 {
  let shift = at & 31u;
  var value = streams[at >> 5u] >> shift;
  if (shift + width > 32u) {
    value |= streams[(at >> 5u) + 1u] << (32u - shift);
  }
  return value & ((1u << width) - 1u);
}

// The 32 bits below one. Of a stream's first bits some lie before it, which nobody takes.
fn bits_below(at: u32) -> u32 {
  let word = at >> 5u;
  let shift = at & 31u;
  return streams[word - 1u] >> shift | (streams[word] << 1u) << (31u - shift);
}

struct Row {
  a: vec4u,
  b: vec4u,
  c: vec4u,
  d: vec4u,
}

// The row of the alphabet that begins at `base`; short ones are at its end.
fn row_at(base: u32) -> Row {
  let at = base / symbols * row_quads;
  var row = Row();
  row.d = rows[at + row_quads - 1u];
  if (row_quads > 1u) {
    row.c = rows[at + row_quads - 2u];
  }
  if (row_quads > 2u) {
    row.a = rows[at];
    row.b = rows[at + 1u];
  }
  return row;
}

// A symbol and its entry.
struct Found {
  symbol: u32,
  entry: u32,
}

// The symbol whose slots hold this one, by bisection: in its row, and behind that in its range. No loop:
// a software driver counts iterations, those of inner loops too, and gives up after 65,535 of them.
fn symbol_at(row: Row, base: u32, slot: u32) -> Found {
  // No entry that begins at this slot or before is larger.
  let key = slot << start_shift | ((1u << start_shift) - 1u);
  var symbol = 0u;
  var lower = row.c;
  var upper = row.d;
  if (row_quads > 2u) {
    let passed = key >= row.c.x;
    lower = select(row.a, row.c, passed);
    upper = select(row.b, row.d, passed);
    symbol += select(0u, 8u, passed);
  }
  if (row_quads > 1u) {
    let passed = key >= upper.x;
    upper = select(lower, upper, passed);
    symbol += select(0u, 4u, passed);
  }
  let passed_two = key >= upper.z;
  let pair = select(upper.xy, upper.zw, passed_two);
  let passed_one = key >= pair.y;
  symbol += select(0u, 2u, passed_two) + select(0u, 1u, passed_one);
  var found = Found(symbol, select(pair.x, pair.y, passed_one));
  if (range_symbols > 1u) {
    found.symbol *= range_symbols;
    if (range_symbols > 8u) {
      found = later(found, 8u, base, key);
    }
    if (range_symbols > 4u) {
      found = later(found, 4u, base, key);
    }
    if (range_symbols > 2u) {
      found = later(found, 2u, base, key);
    }
    found = later(found, 1u, base, key);
  }
  return found;
}

// The symbol so many further on, if it does not begin behind the slot of this key.
fn later(found: Found, step: u32, base: u32, key: u32) -> Found {
  let entry = alphabets[base + found.symbol + step].x;
  if (key >= entry) {
    return Found(found.symbol + step, entry);
  }
  return found;
}

// Where a stream is being read.
struct Reader {
  state: u32,
  at: u32,
}

// Reads some symbols of a stream, number `own` of the workgroup.
fn read_codes(reader: Reader, own: u32, count: u32) -> Reader {
  var state = reader.state;
  var at = reader.at;
  var next = bases[own];
  var next_row = row_at(next);
  for (var i = 0u; i < count; i++) {
    let place = i * reading_streams + own;
    let base = next;
    let row = next_row;
    // Ahead of when it is needed.
    next = bases[min(i + 1u, count - 1u) * reading_streams + own];
    next_row = row_at(next);
    let slot = state & ((1u << frequency_bits) - 1u);
    let found = symbol_at(row, base, slot);
    // It takes in as many bits as left it at most, or one less.
    let most = most_leaving_in(found.entry);
    let left = frequency_in(found.entry) * (state >> frequency_bits) + slot - start_in(found.entry);
    let full = left << most | (bits_below(at) >> 1u) >> (31u - most);
    let beyond = full >> (state_bits + 1u);
    state = full >> beyond;
    at -= most - beyond;
    var code = found.symbol;
    if (code == escape) {
      // What comes first on the way back is what has been written last.
      var following = bits_below(at);
      var raw = more_follows;
      if (base != certain_escape * symbols) {
        at -= byte_bits;
        raw = following >> (32u - byte_bits);
        following <<= byte_bits;
      }
      if ((raw & more_follows) == more_follows) {
        at -= word_bits;
        raw |= (following >> (32u - word_bits)) << byte_bits;
      }
      code |= raw << 8u;
    }
    codes[place] = code;
  }
  return Reader(state, at);
}

// What a code stands for.
fn value_of(code: u32, base: u32, step: f32) -> f32 {
  let symbol = code & 0xffu;
  if (symbol < escape) {
    return bitcast<f32>(alphabets[base + symbol].y) * step;
  }
  let raw = code >> 8u;
  let beyond = raw & more_follows;
  if (beyond == more_follows) {
    return half_value(raw >> byte_bits);
  }
  let value = f32(symbols / 2u + beyond) * step;
  return select(value, -value, (raw & (more_follows + 1u)) != 0u);
}

@compute @workgroup_size(workgroup_threads)
fn read_streams(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // The stream that an invocation helps with, the first ones by reading it.
  let own = lane % reading_streams;
  let group = flat_workgroup(id, workgroups) * reading_streams + own;
  let exists = group < groups_of_job();
  let bound = first_word(job.first_bound);
  let start = 32u * (first_word(job.first_group + group) - bound);
  var index = nothing_coded;
  if (exists) {
    index = read_bits(start, level_bits);
  }
  let coded = index < nothing_coded;
  let level = level_at(min(index, nothing_coded - 1u));
  var reader = Reader();
  if (coded && lane < reading_streams) {
    reader.at = stream_ends[job.first_group + group] - 32u * bound - state_bits;
    reader.state = lowest_state | read_bits(reader.at, state_bits);
  }
  let all = group_tokens * job.stored;
  for (var first = 0u; first < all; first += reading_symbols) {
    let count = min(reading_symbols, all - first);
    if (coded) {
      for (var place = lane; place < count * reading_streams; place += workgroup_threads) {
        let k = (first + place / reading_streams) % job.stored;
        let shift = start + level_bits + shift_bits * (k / band_components);
        bases[place] = base_of(k, level, shift_quarters[read_bits(shift, shift_bits)]);
      }
    }
    workgroupBarrier();
    if (coded && lane < reading_streams) {
      reader = read_codes(reader, own, count);
    }
    workgroupBarrier();
    if (exists) {
      for (var place = lane; place < count * reading_streams; place += workgroup_threads) {
        let i = first + place / reading_streams;
        var value = 0.0;
        if (coded) {
          value = value_of(codes[place], bases[place], step_of(i % job.stored, level));
        }
        values[group * all + i] = value;
      }
    }
  }
}
