// TurboQuant without signs, for 32, 64, 128 or 256 channels: one workgroup takes as many tokens of a head
// as fill 32 KiB, an invocation eight vectors of them by four channels, so that what it reads of matrix and
// vectors is used many times. The vectors go through the workgroup's memory by quarters of their
// channels. Sums are added up in the order of turboquant_vector.wgsl.

@group(0) @binding(3) var<storage, read> tables: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> tensor: array<vec4f>;

const tile_threads = 256u;
// Fours of channels of a vector; vectors of a tile, and those that lie between two of one invocation.
const quads = fixed_channels / 4u;
const tile_vectors = 8192u / fixed_channels;
const vector_groups = tile_vectors / 8u;
// Vectors that are measured together.
const batch = 16u;
// Quads of a quarter; with a gap where rows would begin in the same bank.
const slab_quads = quads / 4u;
const slab_row = slab_quads + slab_quads / 8u;
const slab_size = tile_vectors * slab_row;
// Invocations that stand for neighbouring channels, while others of their 32 have other vectors: then
// these wait for fewer words of the matrix.
const beside = min(quads, 16u);

var<workgroup> slab: array<vec4f, slab_size>;
// What is put together from several invocations: parts of lengths, then parts of words.
var<workgroup> shared_words: array<u32, 1024>;
var<workgroup> ends: array<f32, 64>;
var<workgroup> units: array<f32, tile_vectors>;
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
  return thread % beside + thread / 32u % (quads / beside) * beside;
}

// The first of an invocation's vectors.
fn group_of(thread: u32) -> u32 {
  let groups = 32u / beside;
  return thread / beside % groups + thread / (32u * (quads / beside)) * groups;
}

// Eight vectors of the tile times four columns of a matrix.
struct Products {
  a0: vec4f,
  a1: vec4f,
  a2: vec4f,
  a3: vec4f,
  a4: vec4f,
  a5: vec4f,
  a6: vec4f,
  a7: vec4f,
}

// Adds the products with a quarter of the channels; `column` is where the matrix's begin.
fn add_products(quarter: u32, group: u32, column: u32, sums: ptr<function, Products>) {
  let first = column + 4u * quarter * slab_quads * quads;
  for (var i = 0u; i < slab_quads; i++) {
    let m0 = tables[first + (4u * i + 0u) * quads];
    let m1 = tables[first + (4u * i + 1u) * quads];
    let m2 = tables[first + (4u * i + 2u) * quads];
    let m3 = tables[first + (4u * i + 3u) * quads];
    let at = group * slab_row + i;
    let step = vector_groups * slab_row;
    (*sums).a0 = plus((*sums).a0, slab[at], m0, m1, m2, m3);
    (*sums).a1 = plus((*sums).a1, slab[at + step], m0, m1, m2, m3);
    (*sums).a2 = plus((*sums).a2, slab[at + 2u * step], m0, m1, m2, m3);
    (*sums).a3 = plus((*sums).a3, slab[at + 3u * step], m0, m1, m2, m3);
    (*sums).a4 = plus((*sums).a4, slab[at + 4u * step], m0, m1, m2, m3);
    (*sums).a5 = plus((*sums).a5, slab[at + 5u * step], m0, m1, m2, m3);
    (*sums).a6 = plus((*sums).a6, slab[at + 6u * step], m0, m1, m2, m3);
    (*sums).a7 = plus((*sums).a7, slab[at + 7u * step], m0, m1, m2, m3);
  }
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

// Lengths of the vectors of a batch, which are scaled so that no square overflows or vanishes.
fn measure(found: Tile, first: u32, thread: u32) {
  let vector = first + thread / 16u;
  let lane = thread % 16u;
  let mine = thread / 4u;
  let part = thread % 4u;
  var largest = vec4f(0.0);
  if (vector < found.vectors) {
    for (var q = lane; q < quads; q += 16u) {
      let x = tensor[quad_address(found, vector, q)];
      if (
        !(is_finite_value(x.x) && is_finite_value(x.y) && is_finite_value(x.z) &&
          is_finite_value(x.w))
      ) {
        report_not_finite(found.token + vector, job.heads, found.head);
      }
      largest = max(largest, abs(x));
    }
  }
  share(largest, thread);
  workgroupBarrier();
  if (mine < batch) {
    var most = 0.0;
    for (var q = 0u; q < 16u; q++) {
      most = max(most, shared_part(mine * 16u + q, part));
    }
    ends[thread] = most;
  }
  workgroupBarrier();
  if (mine < batch && part == 0u) {
    let most = max(max(ends[thread], ends[thread + 1u]), max(ends[thread + 2u], ends[thread + 3u]));
    units[first + mine] = select(1.0, most, most > 0.0);
  }
  workgroupBarrier();
  var square = vec4f(0.0);
  if (vector < found.vectors) {
    let unit = units[vector];
    for (var q = lane; q < quads; q += 16u) {
      let x = tensor[quad_address(found, vector, q)] / unit;
      square += x * x;
    }
  }
  share(square, thread);
  workgroupBarrier();
  if (mine < batch) {
    var sums: array<f32, 8>;
    for (var q = 0u; q < 8u; q++) {
      sums[q] = shared_part(mine * 16u + q, part) + shared_part(mine * 16u + q + 8u, part);
    }
    ends[thread] = ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
      ((sums[1] + sums[5]) + (sums[3] + sums[7]));
  }
  workgroupBarrier();
  if (mine < batch && part == 0u) {
    let square = (ends[thread] + ends[thread + 2u]) + (ends[thread + 1u] + ends[thread + 3u]);
    let unit = units[first + mine];
    scales[first + mine] = 1.0 / (sqrt(square) + 1e-10 / unit);
    if (first + mine < found.vectors) {
      store_norm(norm_index(found.token + first + mine, found.head, 0u), sqrt(square) * unit);
    }
  }
  workgroupBarrier();
}

// Four numbers of an invocation, for the others.
fn share(x: vec4f, thread: u32) {
  for (var part = 0u; part < 4u; part++) {
    shared_words[part * tile_threads + thread] = bitcast<u32>(x[part]);
  }
}

fn shared_part(thread: u32, part: u32) -> f32 {
  return bitcast<f32>(shared_words[part * tile_threads + thread]);
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
  for (var first = 0u; first < found.vectors; first += batch) {
    measure(found, first, thread);
  }
  let quad = quad_of(thread);
  let group = group_of(thread);
  var sums: Products;
  for (var quarter = 0u; quarter < 4u; quarter++) {
    workgroupBarrier();
    for (var i = thread; i < found.vectors * slab_quads; i += tile_threads) {
      let vector = i / slab_quads;
      let at = quad_address(found, vector, quarter * slab_quads + i % slab_quads);
      slab[vector * slab_row + i % slab_quads] = tensor[at] / units[vector];
    }
    workgroupBarrier();
    if (group < found.vectors) {
      add_products(quarter, group, fixed_channels * quads + quad, &sums);
    }
  }
  let half = 4u * vector_groups;
  put_parts(0u, group, quad, head.bits, sums.a0, sums.a1, sums.a2, sums.a3);
  workgroupBarrier();
  write_codes(found, head, 0u, thread);
  workgroupBarrier();
  put_parts(half, group, quad, head.bits, sums.a4, sums.a5, sums.a6, sums.a7);
  workgroupBarrier();
  write_codes(found, head, half, thread);
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
  for (var w = thread; w < 4u * vector_groups * row_words; w += tile_threads) {
    let vector = w / row_words;
    if (first + vector >= found.vectors) {
      return;
    }
    let bit = (w - vector * row_words) * 32u;
    var other = vector * quads + bit / part_bits;
    let skipped = bit % part_bits;
    var word = shared_words[other] >> skipped;
    for (var filled = part_bits - skipped; filled < 32u; filled += part_bits) {
      other++;
      word |= shared_words[other] << filled;
    }
    let place = (found.token + first + vector) * job.token_words + head.word_offset;
    codes[place + w - vector * row_words] = word;
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
      slab[vector * slab_row + i % slab_quads] = vec4f(
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
  put_restored(found, group, quad, sums.a0);
  put_restored(found, group + vector_groups, quad, sums.a1);
  put_restored(found, group + 2u * vector_groups, quad, sums.a2);
  put_restored(found, group + 3u * vector_groups, quad, sums.a3);
  put_restored(found, group + 4u * vector_groups, quad, sums.a4);
  put_restored(found, group + 5u * vector_groups, quad, sums.a5);
  put_restored(found, group + 6u * vector_groups, quad, sums.a6);
  put_restored(found, group + 7u * vector_groups, quad, sums.a7);
}

// Four channels of a vector, if the tile has it.
fn put_restored(found: Tile, vector: u32, quad: u32, sum: vec4f) {
  if (vector < found.vectors) {
    tensor[quad_address(found, vector, quad)] = scales[vector] * sum;
  }
}
