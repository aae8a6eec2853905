// TurboQuant without signs, for 32, 64, 128 or 256 channels: one workgroup takes as many tokens of a head
// as fill 32 KiB, an invocation eight vectors of them by four or eight channels, so that what it reads of
// matrix and vectors is used many times. The vectors go through the workgroup's memory by quarters of
// their channels. Sums are added up in the order of turboquant_vector.wgsl. Before it stand, from
// turboquant_tiles.ts,
//   const fixed_channels   of a vector
//   const tile_threads     invocations of a workgroup
//   const readers          invocations that read a vector together
//   const quad_slots       invocations that share the columns of a matrix
// and behind it what is written out for them.

@group(0) @binding(3) var<storage, read> tables: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> tensor: array<vec4f>;

// Fours of channels of a vector; vectors of a tile, and those that lie between two of one invocation.
const quads = fixed_channels / 4u;
const tile_vectors = 8192u / fixed_channels;
const vector_groups = tile_vectors / 8u;
// Quads of a quarter; with a gap where rows would begin in the same bank.
const slab_quads = quads / 4u;
const slab_row = slab_quads + slab_quads / 8u;
// Invocations that stand for neighbouring channels, while others of their 32 have other vectors: then
// these wait for fewer words of the matrix.
const beside = min(quad_slots, 16u);

// Rows are checked once, and places in them, which are constants, not at all.
var<workgroup> slab: array<array<vec4f, slab_row>, tile_vectors>;
// Parts of words, which are put together from several invocations.
var<workgroup> shared_words: array<u32, 1024>;
// The largest number that each reader of a vector has, and the sums of its squares.
var<workgroup> read_largest: array<array<f32, readers>, tile_vectors>;
var<workgroup> read_squares: array<array<vec4f, readers>, tile_vectors>;
var<workgroup> scales: array<f32, tile_vectors>;
// Levels, or what lies in the middle between each and the one before it.
var<workgroup> steps: array<f32, 256>;

fn table_value(index: u32) -> f32 {
  return tables[index >> 2u][index & 3u];
}

// The tokens of a head that a workgroup has.
struct Tile {
  head: u32,
  token: u32,
  vectors: u32,
}

fn tile_of(index: u32) -> Tile {
  let tiles = (job.tokens + tile_vectors - 1u) / tile_vectors;
  let first = index % tiles * tile_vectors;
  return Tile(index / tiles, job.first + first, min(tile_vectors, job.tokens - first));
}

fn quad_address(tile: Tile, vector: u32, quad: u32) -> u32 {
  return (tile.head * job.capacity + tile.token + vector) * quads + quad;
}

fn quad_of(thread: u32) -> u32 {
  return thread % beside + thread / 32u % (quad_slots / beside) * beside;
}

// The first of an invocation's vectors.
fn group_of(thread: u32) -> u32 {
  let groups = 32u / beside;
  return thread / beside % groups + thread / (32u * (quad_slots / beside)) * groups;
}

// A sum and the products of a vector's four numbers, one after the other.
fn plus(sum: vec4f, x: vec4f, m0: vec4f, m1: vec4f, m2: vec4f, m3: vec4f) -> vec4f {
  var all = sum;
  all += m0 * x.x;
  all += m1 * x.y;
  all += m2 * x.z;
  all += m3 * x.w;
  return all;
}

// Codes of four channels, the nearest of ascending levels, by bisection over their midpoints.
fn part_of(sums: vec4f, width: u32) -> u32 {
  var nearest = vec4u(0u);
  for (var half = (1u << width) >> 1u; half > 0u; half >>= 1u) {
    let at = nearest + half;
    let middles = vec4f(steps[at.x], steps[at.y], steps[at.z], steps[at.w]);
    nearest = select(nearest, at, sums > middles);
  }
  return nearest.x | nearest.y << width | nearest.z << (2u * width) | nearest.w << (3u * width);
}

@compute @workgroup_size(tile_threads)
fn quantize_tiles(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= (job.tokens + tile_vectors - 1u) / tile_vectors * job.heads) {
    return;
  }
  let found = tile_of(index);
  let head = heads[found.head];
  let levels = job.levels + head.levels;
  for (var i = thread + 1u; i < 1u << head.bits; i += tile_threads) {
    steps[i] = (table_value(levels + i - 1u) + table_value(levels + i)) * 0.5;
  }
  let vector = thread / readers;
  let reader = thread % readers;
  let mine = read_vector(found, vector, reader);
  let quad = quad_of(thread);
  let group = group_of(thread);
  var sums: Products;
  for (var quarter = 0u; quarter < 4u; quarter++) {
    workgroupBarrier();
    put_quarter(mine, quarter, vector, reader);
    workgroupBarrier();
    if (group < found.vectors) {
      add_products(quarter, group, fixed_channels * quads + quad, &sums);
    }
  }
  put_first_parts(group, quad, head.bits, &sums);
  workgroupBarrier();
  write_codes(found, head, 0u, thread);
  workgroupBarrier();
  put_last_parts(group, quad, head.bits, &sums);
  workgroupBarrier();
  write_codes(found, head, 4u * vector_groups, thread);
}

// Parts of words of four of an invocation's vectors, those from `first` on.
fn put_parts(
  first: u32,
  group: u32,
  quad: u32,
  width: u32,
  a: vec4f,
  b: vec4f,
  c: vec4f,
  d: vec4f,
) {
  let at = group * quads + quad;
  let vector = first + group;
  let step = vector_groups * quads;
  shared_words[at] = part_of(a * scales[vector], width);
  shared_words[at + step] = part_of(b * scales[vector + vector_groups], width);
  shared_words[at + 2u * step] = part_of(c * scales[vector + 2u * vector_groups], width);
  shared_words[at + 3u * step] = part_of(d * scales[vector + 3u * vector_groups], width);
}

// Words of half of the vectors of a tile, those from `first` on.
fn write_codes(found: Tile, head: Head, first: u32, thread: u32) {
  let part_bits = 4u * head.bits;
  let row_words = quads * part_bits / 32u;
  let writers = tile_threads / (4u * vector_groups);
  let vector = thread / writers;
  if (first + vector >= found.vectors) {
    return;
  }
  let place = (found.token + first + vector) * job.token_words + head.word_offset;
  for (var w = thread % writers; w < row_words; w += writers) {
    var other = vector * quads + 32u * w / part_bits;
    let skipped = 32u * w % part_bits;
    var word = shared_words[other] >> skipped;
    for (var filled = part_bits - skipped; filled < 32u; filled += part_bits) {
      other++;
      word |= shared_words[other] << filled;
    }
    codes[place + w] = word;
  }
}

@compute @workgroup_size(tile_threads)
fn restore_tiles(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(id, workgroups);
  if (index >= (job.tokens + tile_vectors - 1u) / tile_vectors * job.heads) {
    return;
  }
  let found = tile_of(index);
  let head = heads[found.head];
  for (var i = thread; i < 1u << head.bits; i += tile_threads) {
    steps[i] = table_value(job.levels + head.levels + i);
  }
  if (thread < found.vectors) {
    scales[thread] = load_norm(norm_index(found.token + thread, found.head, 0u));
  }
  let mask = (1u << head.bits) - 1u;
  let quad = quad_of(thread);
  let group = group_of(thread);
  var sums: Products;
  for (var quarter = 0u; quarter < 4u; quarter++) {
    workgroupBarrier();
    for (var i = thread; i < found.vectors * slab_quads; i += tile_threads) {
      let vector = i / slab_quads;
      let bit = (quarter * slab_quads + i % slab_quads) * 4u * head.bits;
      let at = (found.token + vector) * job.token_words + head.word_offset + (bit >> 5u);
      let shift = bit & 31u;
      var part = codes[at] >> shift;
      if (shift + 4u * head.bits > 32u) {
        part |= codes[at + 1u] << (32u - shift);
      }
      slab[vector][i % slab_quads] = vec4f(
        steps[part & mask],
        steps[(part >> head.bits) & mask],
        steps[(part >> (2u * head.bits)) & mask],
        steps[(part >> (3u * head.bits)) & mask],
      );
    }
    workgroupBarrier();
    if (group < found.vectors) {
      add_products(quarter, group, quad, &sums);
    }
  }
  put_vectors(found, group, quad, &sums);
}

// Four channels of a vector, if the tile has it.
fn put_restored(found: Tile, vector: u32, quad: u32, sum: vec4f) {
  if (vector < found.vectors) {
    tensor[quad_address(found, vector, quad)] = scales[vector] * sum;
  }
}
