/**
 * Attention over past and fed tokens in one kernel, without scores in memory (Dao et al., 2022, arXiv
 * 2205.14135: tiles, a softmax that is corrected as larger scores come).
 *
 * Query heads that share a KV head are rows below each other. A workgroup has a tile of rows and goes
 * along tiles of entries: their keys come to its memory, then their values in the same place. Where
 * there are few rows, the entries are cut into splits, which `join_splits` puts together.
 *
 * @module
 */
import { UserError } from "../../../errors.ts";
import { lines } from "../../../quant/gpu/wgsl_lines.ts";

/** Rows of queries and entries that a workgroup looks at together. */
export interface AttentionTile {
  readonly rows: number;
  readonly entries: number;
}

/** From the largest on: large tiles read keys and values less often. */
const TILES: readonly AttentionTile[] = [
  { rows: 64, entries: 64 },
  { rows: 128, entries: 16 },
  { rows: 64, entries: 32 },
  { rows: 32, entries: 32 },
  { rows: 32, entries: 16 },
  { rows: 16, entries: 32 },
  { rows: 16, entries: 16 },
  { rows: 8, entries: 8 },
  { rows: 4, entries: 4 },
];

/** Rows below which a tile is not made smaller because there are few. */
const LEAST_ROWS = 16;

/**
 * The tile for heads of a size, and for so many rows.
 *
 * @param memory bytes of a workgroup's memory
 * @throws {UserError} where there is none
 */
export function attentionTile(headDim: number, rows: number, memory: number): AttentionTile {
  const fitting = TILES.filter((tile) => tileBytes(tile, headDim) <= memory);
  const tile = fitting.find((tile) => tile.rows <= Math.max(LEAST_ROWS, rows)) ?? fitting[0];
  if (tile === undefined) {
    throw new UserError(
      `Heads of ${headDim} channels are too large for this GPU, whose workgroups have ${memory} bytes; use --device cpu`,
    );
  }
  return tile;
}

function tileBytes({ rows, entries }: AttentionTile, headDim: number): number {
  return 4 * (rows * headDim + entries * headDim + rows * entries);
}

/** Channels that a loop takes at a time: its end is watched, and its index checked, once for them. */
const TOGETHER = 8;

/** The text. */
export function attentionText({ rows, entries }: AttentionTile, headDim: number): string {
  const [down, across, width] = [rows / 4, entries / 4, headDim / 4];
  const threads = down * across;
  // Fours of the channels that an invocation gathers.
  const own = Math.ceil(width / across);
  const axes = "xyzw";
  const ofOwn = (text: (j: number) => string) =>
    lines(
      own,
      (j) =>
        (j + 1) * across <= width
          ? text(j)
          : `if (x + ${j * across}u < ${width}u) {\n${text(j)}\n}`,
    );
  const step = headDim % TOGETHER === 0 ? TOGETHER : TOGETHER / 2;
  // Rows of `brought` that the values of an entry fill, where they do, and entries that fill a step.
  const filled = width / across;
  const inStep = step / filled;
  const fills = Number.isInteger(filled) && Number.isInteger(inStep) && entries % inStep === 0;
  const together = fills ? inStep : 4;
  const value = (k: number, j: number) => {
    if (fills) return `brought[e][${k * filled + j}][x]`;
    const flat = `((e * ${together}u + ${k}u) * ${width}u + x + ${j * across}u)`;
    return `brought[${flat} / ${
      across * step
    }u][${flat} / ${across}u % ${step}u][${flat} % ${across}u]`;
  };
  const of = (place: number | "x") =>
    place === "x"
      ? `shares[x / ${together}u][x % ${together}u][y]`
      : `shares[${Math.floor(place / together)}][${place % together}][y]`;
  return `
struct Job {
  // Tokens that are fed, and entries of the past.
  rows: u32,
  past: u32,
  // Fed tokens that look, the last ones.
  looking: u32,
  kv_heads: u32,
  // Query heads of a KV head.
  folded: u32,
  splits: u32,
  // Whether all of the first entries of the past are seen, and of the fed tokens those up to oneself.
  causal: u32,
  seen: u32,
  // Words of a row of the mask, those of them for the past, and the first row of this layer.
  mask_words: u32,
  past_words: u32,
  mask_row: u32,
  scale: f32,
  row_tiles: u32,
  tiles: u32,
  // Entries that there is room for where the fed tokens are, and the place of the first.
  fed_capacity: u32,
  fed_first: u32,
}

@group(0) @binding(2) var<storage, read> queries: array<vec4f>;
@group(0) @binding(3) var<storage, read> past_keys: array<vec4f>;
@group(0) @binding(4) var<storage, read> past_values: array<vec4f>;
@group(0) @binding(5) var<storage, read> keys: array<vec4f>;
@group(0) @binding(6) var<storage, read> values: array<vec4f>;
// A bit an entry: those of the past, filled up to a word, then those of the fed tokens.
@group(0) @binding(7) var<storage, read> mask: array<u32>;
@group(0) @binding(8) var<storage, read_write> gathered: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> weights: array<vec2f>;

const lowest = -3.0e38;

var<workgroup> asked: array<array<array<vec4f, ${down}>, ${step}>, ${headDim / step}>;
// Keys, a channel after the other; then values, an entry after the other.
var<workgroup> brought: array<array<array<vec4f, ${across}>, ${step}>, ${headDim / step}>;
// Before that the tops of an invocation's entries, and at the end the sums of its weights.
var<workgroup> shares: array<array<array<vec4f, ${down}>, ${together}>, ${entries / together}>;

// Which of four entries a row sees, a bit each.
fn seen_of(token: u32, in_past: bool, entry: u32) -> u32 {
  let count = select(job.rows, job.past, in_past);
  if (entry >= count) {
    return 0u;
  }
  if (job.causal != 0u) {
    let end = min(count, select(token + 1u, job.seen, in_past));
    return (1u << min(4u, max(end, entry) - entry)) - 1u;
  }
  let first = (job.mask_row + token) * job.mask_words + select(job.past_words, 0u, in_past);
  return mask[first + entry / 32u] >> (entry % 32u) & 15u;
}

@compute @workgroup_size(${threads})
fn attend(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let place = flat_workgroup(id, workgroups);
  if (place >= job.tiles) {
    return;
  }
  // The last rows see most: they come first.
  let row_tile = job.row_tiles - 1u - place / (job.kv_heads * job.splits);
  let kv_head = place / job.splits % job.kv_heads;
  let split = place % job.splits;
  let all_rows = job.folded * job.looking;
  let first_looking = job.rows - job.looking;
  let row0 = row_tile * ${rows}u;
  let head_rows = kv_head * all_rows;
  let past0 = kv_head * job.past;
  let fed0 = kv_head * job.fed_capacity + job.fed_first;
  let x = lane % ${across}u;
  let y = lane / ${across}u;
  let own_row = row0 + 4u * y;

  for (var unit = lane; unit < ${down * width}u; unit += ${threads}u) {
    let column = unit % ${width}u;
    let quad = unit / ${width}u;
    let start = row0 + 4u * quad;
    ${
    lines(4, (i) =>
      `let q${i} = queries[(head_rows + min(start + ${i}u, all_rows - 1u)) * ${width}u + column] * job.scale;`)
  }
    ${
    lines(4, (k) =>
      `asked[column / ${step / 4}u][column % ${step / 4}u * 4u + ${k}u][quad] = vec4f(${
        [0, 1, 2, 3].map((i) =>
          `q${i}.${axes[k]}`
        ).join(", ")
      });`)
  }
  }

  // Tiles of the past that are seen, then those of the fed tokens.
  let last_row = min(row0 + ${rows - 1}u, all_rows - 1u);
  let one_head = row0 / job.looking == last_row / job.looking;
  let last_token = first_looking + select(job.looking - 1u, last_row % job.looking, one_head);
  let first_token = first_looking + select(0u, row0 % job.looking, one_head);
  let seen_past = select(job.past, job.seen, job.causal != 0u);
  let seen_fed = select(job.rows, last_token + 1u, job.causal != 0u);
  let past_tiles = (seen_past + ${entries - 1}u) / ${entries}u;
  let all_tiles = past_tiles + (seen_fed + ${entries - 1}u) / ${entries}u;
  let each = (all_tiles + job.splits - 1u) / job.splits;
  let end = min(all_tiles, (split + 1u) * each);

  ${lines(4, (i) => lines(own, (j) => `var sum${i}_${j} = vec4f();`))}
  var top = vec4f(lowest);
  var weight = vec4f();
  for (var tile = split * each; tile < end; tile++) {
    let in_past = tile < past_tiles;
    let entry0 = select(tile - past_tiles, tile, in_past) * ${entries}u;
    let count = select(job.rows, job.past, in_past);
    workgroupBarrier();
    for (var unit = lane; unit < ${across * width}u; unit += ${threads}u) {
      let column = unit % ${width}u;
      let quad = unit / ${width}u;
      ${lines(4, (i) => `var k${i} = vec4f();`)}
      if (in_past) {
        ${
    lines(4, (i) =>
      `k${i} = past_keys[(past0 + min(entry0 + 4u * quad + ${i}u, count - 1u)) * ${width}u + column];`)
  }
      } else {
        ${
    lines(4, (i) =>
      `k${i} = keys[(fed0 + min(entry0 + 4u * quad + ${i}u, count - 1u)) * ${width}u + column];`)
  }
      }
      ${
    lines(4, (k) =>
      `brought[column / ${step / 4}u][column % ${step / 4}u * 4u + ${k}u][quad] = vec4f(${
        [0, 1, 2, 3].map((i) =>
          `k${i}.${axes[k]}`
        ).join(", ")
      });`)
  }
    }
    workgroupBarrier();

    ${lines(4, (i) => `var score${i} = vec4f();`)}
    for (var c = 0u; c < ${headDim / step}u; c++) {
      ${
    lines(step, (k) => `
      { let a = asked[c][${k}][y];
        let b = brought[c][${k}][x];
        ${lines(4, (i) => `score${i} = fma(vec4f(a.${axes[i]}), b, score${i});`)}
      }`)
  }
    }
    // Most tiles of a causal pass are seen by all rows.
    let seen_by_all = select(first_token + 1u, job.seen, in_past);
    if (job.causal == 0u || entry0 + ${entries}u > seen_by_all) {
    ${
    lines(4, (i) => `
    { let row = own_row + ${i}u;
      let token = first_looking + row % job.looking;
      let seen = select(0u, seen_of(token, in_past, entry0 + 4u * x), row < all_rows);
      let bits = (vec4u(seen) >> vec4u(0u, 1u, 2u, 3u)) & vec4u(1u);
      score${i} = select(vec4f(lowest), score${i}, bits == vec4u(1u));
    }`)
  }
    }
    ${of("x")} = vec4f(${
    [0, 1, 2, 3].map((i) => `max(max(score${i}.x, score${i}.y), max(score${i}.z, score${i}.w))`)
      .join(", ")
  });
    workgroupBarrier();
    var larger = top;
    ${lines(across, (i) => `larger = max(larger, ${of(i)});`)}
    workgroupBarrier();
    let shrunk = exp2(top - larger);
    top = larger;
    ${
    lines(4, (i) =>
      `let share${i} = select(
        vec4f(), exp2(score${i} - vec4f(top.${axes[i]})), score${i} > vec4f(-1.0e38));`)
  }
    weight = weight * shrunk + vec4f(${
    [0, 1, 2, 3].map((i) => `dot(share${i}, vec4f(1.0))`).join(", ")
  });
    ${
    lines(4, (k) =>
      `shares[(4u * x + ${k}u) / ${together}u][(4u * x + ${k}u) % ${together}u][y] = vec4f(${
        [0, 1, 2, 3].map((i) =>
          `share${i}.${axes[k]}`
        ).join(", ")
      });`)
  }
    for (var unit = lane; unit < ${entries * width}u; unit += ${threads}u) {
      let column = unit % ${width}u;
      let entry = unit / ${width}u;
      let start = (select(fed0, past0, in_past) + min(entry0 + entry, count - 1u)) * ${width}u + column;
      if (in_past) {
        brought[unit / ${
    across * step
  }u][unit / ${across}u % ${step}u][unit % ${across}u] = past_values[start];
      } else {
        brought[unit / ${
    across * step
  }u][unit / ${across}u % ${step}u][unit % ${across}u] = values[start];
      }
    }
    workgroupBarrier();
    ${lines(4, (i) => lines(own, (j) => `sum${i}_${j} *= shrunk.${axes[i]};`))}
    for (var e = 0u; e < ${entries / together}u; e++) {
      ${
    lines(together, (k) => `
      { let a = shares[e][${k}][y];
        ${
      ofOwn((j) => `
        { let b = ${value(k, j)};
          ${lines(4, (i) => `sum${i}_${j} = fma(vec4f(a.${axes[i]}), b, sum${i}_${j});`)}
        }`)
    }
      }`)
  }
    }
  }

  // Weights of all entries of a row: each invocation of it has those of its own.
  workgroupBarrier();
  ${of("x")} = weight;
  workgroupBarrier();
  var all = vec4f();
  ${lines(across, (i) => `all += ${of(i)};`)}
  ${
    lines(4, (i) => `
  { let row = own_row + ${i}u;
    if (row < all_rows) {
      let to = (split * job.kv_heads + kv_head) * all_rows + row;
      ${ofOwn((j) => `gathered[to * ${width}u + x + ${j * across}u] = sum${i}_${j};`)}
      if (x == 0u) {
        weights[to] = vec2f(top.${axes[i]}, all.${axes[i]});
      }
    }
  }`)
  }
}
`;
}
