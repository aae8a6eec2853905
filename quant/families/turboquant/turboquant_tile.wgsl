// TurboQuant without signs, for 32, 64, 128 or 256 channels: one workgroup takes as many tokens of a head
// as fill 8 KiB, an invocation eight vectors of them by four channels, so that what it reads of matrix and
// vectors is used many times. Sums are added up in the order of turboquant_vector.wgsl.

@group(0) @binding(3) var<storage, read> tables: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> tensor: array<vec4f>;

// Fours of channels of a vector; vectors of a tile, and of what is measured together.
const quads = fixed_channels / 4u;
const tile_vectors = 512u / quads;
const batch = min(tile_vectors, 16u);

var<workgroup> tile: array<vec4f, 512>;
var<workgroup> partial: array<vec4f, 256>;
var<workgroup> ends: array<f32, workgroup_threads>;
var<workgroup> units: array<f32, tile_vectors>;
var<workgroup> scales: array<f32, tile_vectors>;
var<workgroup> parts: array<u32, 512>;
// Levels, or what lies in the middle between each and the one before it.
var<workgroup> steps: array<f32, 256>;

fn table_value(index: u32) -> f32 {
  return tables[index >> 2u][index & 3u];
}

// What `row` is of the tokens of a head, and how many of the tile there are.
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

// Eight vectors of the tile times the four columns of a matrix from `column` on.
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

fn products(first: u32, column: u32) -> Products {
  var a0 = vec4f(0.0);
  var a1 = vec4f(0.0);
  var a2 = vec4f(0.0);
  var a3 = vec4f(0.0);
  var a4 = vec4f(0.0);
  var a5 = vec4f(0.0);
  var a6 = vec4f(0.0);
  var a7 = vec4f(0.0);
  for (var i = 0u; i < quads; i++) {
    let m0 = tables[column + (4u * i + 0u) * quads];
    let m1 = tables[column + (4u * i + 1u) * quads];
    let m2 = tables[column + (4u * i + 2u) * quads];
    let m3 = tables[column + (4u * i + 3u) * quads];
    let x0 = tile[(first + 0u) * quads + i];
    a0 += m0 * x0.x;
    a0 += m1 * x0.y;
    a0 += m2 * x0.z;
    a0 += m3 * x0.w;
    let x1 = tile[(first + 1u) * quads + i];
    a1 += m0 * x1.x;
    a1 += m1 * x1.y;
    a1 += m2 * x1.z;
    a1 += m3 * x1.w;
    let x2 = tile[(first + 2u) * quads + i];
    a2 += m0 * x2.x;
    a2 += m1 * x2.y;
    a2 += m2 * x2.z;
    a2 += m3 * x2.w;
    let x3 = tile[(first + 3u) * quads + i];
    a3 += m0 * x3.x;
    a3 += m1 * x3.y;
    a3 += m2 * x3.z;
    a3 += m3 * x3.w;
    let x4 = tile[(first + 4u) * quads + i];
    a4 += m0 * x4.x;
    a4 += m1 * x4.y;
    a4 += m2 * x4.z;
    a4 += m3 * x4.w;
    let x5 = tile[(first + 5u) * quads + i];
    a5 += m0 * x5.x;
    a5 += m1 * x5.y;
    a5 += m2 * x5.z;
    a5 += m3 * x5.w;
    let x6 = tile[(first + 6u) * quads + i];
    a6 += m0 * x6.x;
    a6 += m1 * x6.y;
    a6 += m2 * x6.z;
    a6 += m3 * x6.w;
    let x7 = tile[(first + 7u) * quads + i];
    a7 += m0 * x7.x;
    a7 += m1 * x7.y;
    a7 += m2 * x7.z;
    a7 += m3 * x7.w;
  }
  return Products(a0, a1, a2, a3, a4, a5, a6, a7);
}

// Lengths of the vectors of a batch, which are scaled so that no square overflows or vanishes.
fn measure(found: Tile, first: u32, thread: u32) {
  let place = thread / 16u;
  let quad = thread % 16u;
  for (var v = place; v < batch; v += 4u) {
    var largest = vec4f(0.0);
    for (var q = quad; q < quads; q += 16u) {
      var x = vec4f(0.0);
      if (first + v < found.vectors) {
        x = tensor[quad_address(found, first + v, q)];
        if (
          !(is_finite_value(x.x) && is_finite_value(x.y) && is_finite_value(x.z) &&
            is_finite_value(x.w))
        ) {
          report_not_finite(found.token + first + v, job.heads, found.head);
        }
      }
      tile[(first + v) * quads + q] = x;
      largest = max(largest, abs(x));
    }
    partial[v * 16u + quad] = largest;
  }
  workgroupBarrier();
  let mine = thread / 4u;
  let part = thread % 4u;
  if (mine < batch) {
    var largest = 0.0;
    for (var q = 0u; q < 16u; q++) {
      largest = max(largest, partial[mine * 16u + q][part]);
    }
    ends[thread] = largest;
  }
  workgroupBarrier();
  if (mine < batch && part == 0u) {
    let largest = max(max(ends[thread], ends[thread + 1u]), max(ends[thread + 2u], ends[thread + 3u]));
    units[first + mine] = select(1.0, largest, largest > 0.0);
  }
  workgroupBarrier();
  for (var v = place; v < batch; v += 4u) {
    let unit = units[first + v];
    var square = vec4f(0.0);
    for (var q = quad; q < quads; q += 16u) {
      let x = tile[(first + v) * quads + q] / unit;
      tile[(first + v) * quads + q] = x;
      square += x * x;
    }
    partial[v * 16u + quad] = square;
  }
  workgroupBarrier();
  if (mine < batch) {
    var sums: array<f32, 8>;
    for (var q = 0u; q < 8u; q++) {
      sums[q] = partial[mine * 16u + q][part] + partial[mine * 16u + q + 8u][part];
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

@compute @workgroup_size(workgroup_threads)
fn quantize_tiles(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= (job.tokens + tile_vectors - 1u) / tile_vectors * job.heads) {
    return;
  }
  let found = tile_of(index);
  let head = heads[found.head];
  let levels = job.levels + head.levels;
  for (var i = thread + 1u; i < 1u << head.bits; i += workgroup_threads) {
    steps[i] = (table_value(levels + i - 1u) + table_value(levels + i)) * 0.5;
  }
  for (var first = 0u; first < tile_vectors; first += batch) {
    measure(found, first, thread);
  }
  let quad = thread % quads;
  let first = thread / quads * 8u;
  let sums = products(first, fixed_channels * quads + quad);
  parts[(first + 0u) * quads + quad] = part_of(sums.a0 * scales[first + 0u], head.bits);
  parts[(first + 1u) * quads + quad] = part_of(sums.a1 * scales[first + 1u], head.bits);
  parts[(first + 2u) * quads + quad] = part_of(sums.a2 * scales[first + 2u], head.bits);
  parts[(first + 3u) * quads + quad] = part_of(sums.a3 * scales[first + 3u], head.bits);
  parts[(first + 4u) * quads + quad] = part_of(sums.a4 * scales[first + 4u], head.bits);
  parts[(first + 5u) * quads + quad] = part_of(sums.a5 * scales[first + 5u], head.bits);
  parts[(first + 6u) * quads + quad] = part_of(sums.a6 * scales[first + 6u], head.bits);
  parts[(first + 7u) * quads + quad] = part_of(sums.a7 * scales[first + 7u], head.bits);
  workgroupBarrier();

  let part_bits = 4u * head.bits;
  let row_words = quads * part_bits / 32u;
  for (var w = thread; w < found.vectors * row_words; w += workgroup_threads) {
    let vector = w / row_words;
    let bit = w % row_words * 32u;
    var other = vector * quads + bit / part_bits;
    let skipped = bit % part_bits;
    var word = parts[other] >> skipped;
    for (var filled = part_bits - skipped; filled < 32u; filled += part_bits) {
      other++;
      word |= parts[other] << filled;
    }
    codes[(found.token + vector) * job.token_words + head.word_offset + w % row_words] = word;
  }
}

@compute @workgroup_size(workgroup_threads)
fn restore_tiles(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = flat_workgroup(group, groups);
  if (index >= (job.tokens + tile_vectors - 1u) / tile_vectors * job.heads) {
    return;
  }
  let found = tile_of(index);
  let head = heads[found.head];
  for (var i = thread; i < 1u << head.bits; i += workgroup_threads) {
    steps[i] = table_value(job.levels + head.levels + i);
  }
  for (var v = thread; v < found.vectors; v += workgroup_threads) {
    scales[v] = load_norm(norm_index(found.token + v, found.head, 0u));
  }
  workgroupBarrier();
  let mask = (1u << head.bits) - 1u;
  for (var i = thread; i < found.vectors * quads; i += workgroup_threads) {
    let vector = i / quads;
    let bit = i % quads * 4u * head.bits;
    let at = (found.token + vector) * job.token_words + head.word_offset + (bit >> 5u);
    let shift = bit & 31u;
    var part = codes[at] >> shift;
    if (shift + 4u * head.bits > 32u) {
      part |= codes[at + 1u] << (32u - shift);
    }
    tile[i] = vec4f(
      steps[part & mask],
      steps[(part >> head.bits) & mask],
      steps[(part >> (2u * head.bits)) & mask],
      steps[(part >> (3u * head.bits)) & mask],
    );
  }
  workgroupBarrier();
  let quad = thread % quads;
  let first = thread / quads * 8u;
  let sums = products(first, quad);
  if (first + 0u < found.vectors) {
    tensor[quad_address(found, first + 0u, quad)] = scales[first + 0u] * sums.a0;
  }
  if (first + 1u < found.vectors) {
    tensor[quad_address(found, first + 1u, quad)] = scales[first + 1u] * sums.a1;
  }
  if (first + 2u < found.vectors) {
    tensor[quad_address(found, first + 2u, quad)] = scales[first + 2u] * sums.a2;
  }
  if (first + 3u < found.vectors) {
    tensor[quad_address(found, first + 3u, quad)] = scales[first + 3u] * sums.a3;
  }
  if (first + 4u < found.vectors) {
    tensor[quad_address(found, first + 4u, quad)] = scales[first + 4u] * sums.a4;
  }
  if (first + 5u < found.vectors) {
    tensor[quad_address(found, first + 5u, quad)] = scales[first + 5u] * sums.a5;
  }
  if (first + 6u < found.vectors) {
    tensor[quad_address(found, first + 6u, quad)] = scales[first + 6u] * sums.a6;
  }
  if (first + 7u < found.vectors) {
    tensor[quad_address(found, first + 7u, quad)] = scales[first + 7u] * sums.a7;
  }
}
