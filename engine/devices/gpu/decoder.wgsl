// The small kernels of a decoder: all between its matrix products and its attention. What a product
// gives comes in parts, one behind the other, whose sum it is.

struct Job {
  rows: u32,
  // Fours of a row.
  width: u32,
  // Parts of the product that is taken in.
  parts: u32,
  // First row of the residual stream that is still needed, or that has queries.
  first_row: u32,
  has_bias: u32,
  eps: f32,
  // Of attention.
  query_heads: u32,
  kv_heads: u32,
  head_dim: u32,
  wants_before: u32,
  splits: u32,
  // Tokens that there is room for where keys and values go, and the place of the first.
  kv_capacity: u32,
  kv_first: u32,
  // Rows whose largest numbers are kept, if they are: of each kind so many.
  tops: u32,
}

@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> matrix: array<Four>;
@group(0) @binding(4) var<storage, read_write> residual: array<vec4f>;
@group(0) @binding(5) var<storage, read> product: array<vec4f>;
@group(0) @binding(6) var<storage, read> bias: array<vec4f>;
@group(0) @binding(7) var<storage, read> weight: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> rows_out: array<Four>;
// Of the projections to queries, keys and values, number by number.
@group(0) @binding(9) var<storage, read> projected: array<f32>;
@group(0) @binding(10) var<storage, read> projected_bias: array<f32>;
@group(0) @binding(11) var<storage, read> head_norms: array<f32>;
// Cosine and sine of each row's position.
@group(0) @binding(12) var<storage, read> turns: array<vec2f>;
@group(0) @binding(13) var<storage, read_write> queries: array<f32>;
@group(0) @binding(14) var<storage, read_write> keys: array<f32>;
@group(0) @binding(15) var<storage, read_write> values: array<f32>;
@group(0) @binding(16) var<storage, read_write> keys_before: array<f32>;
// Of attention: what each split gathered, and the top and the sum of its weights.
@group(0) @binding(17) var<storage, read> gathered: array<vec4f>;
@group(0) @binding(18) var<storage, read> weights: array<vec2f>;

// The largest magnitude of each row that is multiplied in float16, as the bits of a float: of what
// comes out of a norm, then of attention, then of a gate.
@group(0) @binding(19) var<storage, read_write> tops: array<atomic<u32>>;

const of_attention = 1u;
const of_gate = 2u;

fn magnitude(numbers: vec4f) -> u32 {
  let most = max(max(abs(numbers.x), abs(numbers.y)), max(abs(numbers.z), abs(numbers.w)));
  return bitcast<u32>(most);
}

// The rows of a table.
@compute @workgroup_size(workgroup_threads)
fn look_up(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= job.rows * job.width) {
    return;
  }
  let row = index / job.width;
  residual[index] = numbers_of(matrix[ids[row] * job.width + index % job.width]);
}

// The sum of a product's parts. Those of few rows are many, and each would be waited for by itself.
fn sum_of_parts(at: u32, step: u32) -> vec4f {
  var sum = vec4f();
  var part = 0u;
  for (; part + 4u <= job.parts; part += 4u) {
    let first = at + part * step;
    sum += (product[first] + product[first + step]) +
      (product[first + 2u * step] + product[first + 3u * step]);
  }
  for (; part < job.parts; part++) {
    sum += product[at + part * step];
  }
  return sum;
}

// More than elsewhere: with few rows there is nothing else to wait for.
const norm_threads = 256u;

var<workgroup> square_sums: array<f32, norm_threads>;

// Adds a product to the residual stream, and gives the sum after RMSNorm; a row a workgroup.
@compute @workgroup_size(norm_threads)
fn add_and_norm(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = flat_workgroup(id, workgroups);
  if (row >= job.rows) {
    return;
  }
  let start = (job.first_row + row) * job.width;
  let step = job.rows * job.width;
  var squares = 0.0;
  for (var i = lane; i < job.width; i += norm_threads) {
    var sum = residual[start + i] + sum_of_parts(row * job.width + i, step);
    if (job.has_bias != 0u) {
      sum += bias[i];
    }
    residual[start + i] = sum;
    squares += dot(sum, sum);
  }
  square_sums[lane] = squares;
  workgroupBarrier();
  for (var half = norm_threads / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      square_sums[lane] += square_sums[lane + half];
    }
    workgroupBarrier();
  }
  let scale = 1.0 / sqrt(square_sums[0] / f32(4u * job.width) + job.eps);
  if (job.tops != 0u && lane == 0u) {
    atomicStore(&tops[row], 0u);
    atomicStore(&tops[of_attention * job.tops + row], 0u);
    atomicStore(&tops[of_gate * job.tops + row], 0u);
  }
  storageBarrier();
  var most = 0u;
  for (var i = lane; i < job.width; i += norm_threads) {
    let normed = residual[start + i] * scale * weight[i];
    rows_out[row * job.width + i] = four_of(normed);
    most = max(most, magnitude(normed));
  }
  if (job.tops != 0u) {
    atomicMax(&tops[row], most);
  }
}

fn projection(row: u32, channel: u32) -> f32 {
  let channels = (job.query_heads + 2u * job.kv_heads) * job.head_dim;
  let step = job.rows * channels;
  let at = row * channels + channel;
  var sum = select(0.0, projected_bias[channel], job.has_bias != 0u);
  var part = 0u;
  for (; part + 4u <= job.parts; part += 4u) {
    let first = at + part * step;
    sum += (projected[first] + projected[first + step]) +
      (projected[first + 2u * step] + projected[first + 3u * step]);
  }
  for (; part < job.parts; part++) {
    sum += projected[at + part * step];
  }
  return sum;
}

// Where the channels of a fed token's head are among keys or values.
fn kv_place(kv_head: u32, row: u32) -> u32 {
  return (kv_head * job.kv_capacity + job.kv_first + row) * job.head_dim;
}

// Puts two channels of a head that turn together in their place, among queries and keys turned by
// their position.
fn place_channels(row: u32, head: u32, i: u32, low: f32, high: f32) {
  let half = job.head_dim / 2u;
  if (head >= job.query_heads + job.kv_heads) {
    let at = kv_place(head - job.query_heads - job.kv_heads, row) + i;
    values[at] = kept(low);
    values[at + half] = kept(high);
    return;
  }
  let turn = turns[row * half + i];
  let turned_low = low * turn.x - high * turn.y;
  let turned_high = high * turn.x + low * turn.y;
  if (head < job.query_heads) {
    let at = (head * (job.rows - job.first_row) + row - job.first_row) * job.head_dim + i;
    queries[at] = turned_low;
    queries[at + half] = turned_high;
    return;
  }
  let kv_head = head - job.query_heads;
  let at = kv_place(kv_head, row) + i;
  keys[at] = kept(turned_low);
  keys[at + half] = kept(turned_high);
  if (job.wants_before != 0u) {
    let before = (kv_head * job.rows + row) * job.head_dim + i;
    keys_before[before] = kept(low);
    keys_before[before + half] = kept(high);
  }
}

// Whether a head of a row is needed: the first rows may have no queries.
fn is_needed(row: u32, head: u32) -> bool {
  return row < job.rows && (head >= job.query_heads || row >= job.first_row);
}

// Queries, keys and values of each head. Two channels at a time, and as often as it takes: starting
// a workgroup for each head takes longer than what it does.
@compute @workgroup_size(workgroup_threads)
fn part_heads(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let half = job.head_dim / 2u;
  let heads = job.query_heads + 2u * job.kv_heads;
  let step = workgroups.x * workgroups.y * workgroup_threads;
  for (var index = flat_index(id, workgroups); index < job.rows * heads * half; index += step) {
    let row = index / (heads * half);
    let head = index / half % heads;
    let i = index % half;
    if (is_needed(row, head)) {
      let channel = head * job.head_dim + i;
      place_channels(row, head, i, projection(row, channel), projection(row, channel + half));
    }
  }
}

// The same where queries and keys are normed before they are turned: a head of a row a workgroup.
@compute @workgroup_size(workgroup_threads)
fn part_normed_heads(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let heads = job.query_heads + 2u * job.kv_heads;
  let place = flat_workgroup(id, workgroups);
  let row = place / heads;
  let head = place % heads;
  let half = job.head_dim / 2u;
  let needed = is_needed(row, head);
  let normed = head < job.query_heads + job.kv_heads;
  let channel = head * job.head_dim;
  var squares = 0.0;
  if (needed && normed) {
    for (var i = lane; i < job.head_dim; i += workgroup_threads) {
      let x = projection(row, channel + i);
      squares += x * x;
    }
  }
  let scale = 1.0 / sqrt(sum_of(squares, lane) / f32(job.head_dim) + job.eps);
  if (!needed) {
    return;
  }
  let norms = select(0u, job.head_dim, head >= job.query_heads);
  for (var i = lane; i < half; i += workgroup_threads) {
    var low = projection(row, channel + i);
    var high = projection(row, channel + half + i);
    if (normed) {
      low = low * scale * head_norms[norms + i];
      high = high * scale * head_norms[norms + half + i];
    }
    place_channels(row, head, i, low, high);
  }
}

const lowest = -3.0e38;

// The top and the sum of a split's weights; no weight at all for a split that is not there.
fn split_weights(split: u32, all_rows: u32, place: u32) -> vec2f {
  let own = weights[min(split, job.splits - 1u) * all_rows + place];
  return select(vec2f(lowest, 0.0), own, split < job.splits);
}

// What the splits of attention gathered, together; heads become the columns of a token.
@compute @workgroup_size(workgroup_threads)
fn join_splits(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  let width = job.head_dim / 4u;
  let all_rows = job.query_heads * job.rows;
  if (index >= all_rows * width) {
    return;
  }
  let place = index / width;
  let column = index % width;
  var top = lowest;
  var sum = 0.0;
  var numbers = vec4f();
  // Four at a time, all of which are waited for together; the last four may have some that are not there.
  for (var split = 0u; split < job.splits; split += 4u) {
    let own = array(
      split_weights(split, all_rows, place),
      split_weights(split + 1u, all_rows, place),
      split_weights(split + 2u, all_rows, place),
      split_weights(split + 3u, all_rows, place),
    );
    let last = job.splits - 1u;
    let larger = max(top, max(max(own[0].x, own[1].x), max(own[2].x, own[3].x)));
    let shares = exp2(vec4f(own[0].x, own[1].x, own[2].x, own[3].x) - larger);
    let shrunk = exp2(top - larger);
    top = larger;
    sum = sum * shrunk + dot(vec4f(own[0].y, own[1].y, own[2].y, own[3].y), shares);
    numbers = numbers * shrunk +
      (gathered[(split * all_rows + place) * width + column] * shares.x +
        gathered[(min(split + 1u, last) * all_rows + place) * width + column] * shares.y) +
      (gathered[(min(split + 2u, last) * all_rows + place) * width + column] * shares.z +
        gathered[(min(split + 3u, last) * all_rows + place) * width + column] * shares.w);
  }
  let head = place / job.rows;
  let row = place % job.rows;
  let joined = select(vec4f(), numbers / sum, sum > 0.0);
  rows_out[(row * job.query_heads + head) * width + column] = four_of(joined);
  if (job.tops != 0u) {
    atomicMax(&tops[of_attention * job.tops + row], magnitude(joined));
  }
}

// silu(gate) * up.
@compute @workgroup_size(workgroup_threads)
fn gate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = flat_index(id, workgroups);
  if (index >= job.rows * job.width) {
    return;
  }
  let row = index / job.width;
  let column = index % job.width;
  let step = 2u * job.rows * job.width;
  let at = 2u * row * job.width + column;
  var gates = sum_of_parts(at, step);
  var ups = sum_of_parts(at + job.width, step);
  if (job.has_bias != 0u) {
    gates += bias[column];
    ups += bias[column + job.width];
  }
  let gated = gates / (1.0 + exp(-gates)) * ups;
  rows_out[index] = four_of(gated);
  if (job.tops != 0u) {
    atomicMax(&tops[of_gate * job.tops + row], magnitude(gated));
  }
}
