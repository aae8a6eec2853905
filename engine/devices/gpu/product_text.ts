/**
 * The kernel of a matrix product, `A W^T` with `W` as Hugging Face stores it, for one size of tile.
 *
 * A workgroup computes a tile of the product; it brings tiles of both factors to its own memory, the
 * inner axis outermost, so that an invocation reads four rows or four columns at a time. Where there
 * are few tiles the inner axis is cut into splits, whose products lie one behind the other. The text
 * is written out without inner loops: every loop is watched for its end, and then not unrolled. And its
 * arrays are nested, so that all but the last index are constants: others are checked each time.
 *
 * @module
 */
import { lines } from "../../../quant/gpu/wgsl_lines.ts";

/** Rows and columns of a tile, and how much of the inner axis is brought at once. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Invocations along the rows; there are `ACROSS` along the columns. */
  readonly down: number;
}

/** Invocations along the columns of a tile. */
export const ACROSS = 16;

/** What a launch is told. */
export function jobText(more = ""): string {
  return `struct Job {
  rows: u32,
  // Of the product, and fours of a row of it.
  columns: u32,
  out_width: u32,
  // Fours of the inner axis, and of each split of it.
  inner: u32,
  split: u32,
  row_tiles: u32,
  column_tiles: u32,
  // First row of the left factor that counts.
  first_row: u32,
  tiles: u32,
${more}}
`;
}

/** How a kernel begins: which tile and which split of the inner axis its workgroup has. */
export function multiplyBegins({ rows, columns, down }: Tile): string {
  return `@compute @workgroup_size(${ACROSS * down})
fn multiply(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = flat_workgroup(id, workgroups);
  if (tile >= job.tiles) {
    return;
  }
  let row_tile = tile % job.row_tiles;
  let column_tile = tile / job.row_tiles % job.column_tiles;
  let part = tile / (job.row_tiles * job.column_tiles);
  let row0 = row_tile * ${rows}u;
  let column0 = column_tile * ${columns}u;
  let end = min(job.inner, (part + 1u) * job.split);
`;
}

/** The text, behind `floatWords`. */
export function productText(tile: Tile): string {
  const { rows, columns, depth, down } = tile;
  const threads = ACROSS * down;
  // Four rows and four columns of the inner axis are brought together.
  const [across, ofRows, ofColumns] = [depth / 4, rows / 4, columns / 4];
  const units = (ofRows + ofColumns) * across;
  const each = Math.ceil(units / threads);
  const [own, ownColumns] = [rows / down, ofColumns / ACROSS];
  const unit = (u: number, body: string) => `
    { let unit = lane + ${u * threads}u;
      if (unit < ${units}u) {
        let inner = unit % ${across}u; let quad = unit / ${across}u; ${body}
      }
    }`;
  const bring = lines(each, (u) =>
    unit(
      u,
      `let column = first + inner;
        if (column < end) {
          if (quad < ${ofRows}u) {
            ${
        lines(4, (i) =>
          `got${u}_${i} = numbers_of(rows_in[
              (job.first_row + min(row0 + 4u * quad + ${i}u, job.rows - 1u)) * job.inner + column]);`)
      }
          } else {
            ${
        lines(4, (i) =>
          `got${u}_${i} = numbers_of(matrix[
              min(column0 + 4u * (quad - ${ofRows}u) + ${i}u, job.columns - 1u) * job.inner + column]);`)
      }
          }
        } else { ${lines(4, (i) => `got${u}_${i} = vec4f();`)} }`,
    ));
  const lay = lines(each, (u) =>
    unit(
      u,
      `if (quad < ${ofRows}u) {
          ${
        lines(4, (k) =>
          `left[4u * inner + ${k}u][quad / ${down}u][quad % ${down}u] = ${turned(u, k)};`)
      }
        } else {
          let column = quad - ${ofRows}u;
          ${
        lines(4, (k) =>
          `right[4u * inner + ${k}u][column / ${ACROSS}u][column % ${ACROSS}u] = ${turned(u, k)};`)
      }
        }`,
    ));
  const multiply = lines(depth, (k) => `
    { ${lines(own / 4, (i) => `let a${i} = left[${k}][${i}][y];`)}
      ${lines(ownColumns, (j) => `let b${j} = right[${k}][${j}][x];`)}
      ${
    lines(own, (i) =>
      lines(ownColumns, (j) =>
        `sum${i}_${j} = fma(vec4f(a${i >> 2}.${"xyzw"[i & 3]}), b${j}, sum${i}_${j});`))
  }
    }`);
  return `
${jobText()}
@group(0) @binding(2) var<storage, read> rows_in: array<Four>;
@group(0) @binding(3) var<storage, read> matrix: array<Four>;
@group(0) @binding(4) var<storage, read_write> product: array<vec4f>;

var<workgroup> left: array<array<array<vec4f, ${down}>, ${own / 4}>, ${depth}>;
var<workgroup> right: array<array<array<vec4f, ${ACROSS}>, ${ownColumns}>, ${depth}>;

${multiplyBegins(tile)}  let x = lane % ${ACROSS}u;
  let y = lane / ${ACROSS}u;
  ${lines(own, (i) => lines(ownColumns, (j) => `var sum${i}_${j} = vec4f();`))}
  ${lines(each, (u) => lines(4, (i) => `var got${u}_${i} = vec4f();`))}
  var first = part * job.split;
  ${bring}
  loop {
    ${lay}
    workgroupBarrier();
    first += ${across}u;
    if (first < end) {
      ${bring}
    }
    ${multiply}
    if (first >= end) {
      break;
    }
    workgroupBarrier();
  }
  ${
    lines(own, (i) => `
  { let row = row0 + ${(i >> 2) * 4 * down + (i & 3)}u + 4u * y;
    if (row < job.rows) {
      ${
      lines(ownColumns, (j) => `
      { let column = column0 / 4u + x + ${j * ACROSS}u;
        if (column < job.out_width) {
          product[(part * job.rows + row) * job.out_width + column] = sum${i}_${j};
        }
      }`)
    }
    }
  }`)
  }
}
`;
}

/** The `k`th numbers of the four rows that were brought. */
function turned(u: number, k: number): string {
  return `vec4f(${[0, 1, 2, 3].map((i) => `got${u}_${i}[${k}]`).join(", ")})`;
}
