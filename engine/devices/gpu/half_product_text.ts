/**
 * The kernel of a matrix product in float16 for many rows, `A W^T` with `W` as Hugging Face stores it,
 * as `productText` otherwise: a device without tensor cores in reach multiplies halves twice as fast as
 * floats, two at a time.
 *
 * Pairs of neighbours along the inner axis are multiplied together, so that both factors lie in a
 * workgroup's memory as they do in the device's. `GATHERED` products are summed in the two halves of a
 * pair, and these sums in float32. None is beyond float16: rows of the left factor
 * are taken times a power of two with which their largest number is below 32, and no weight is above
 * `LARGEST_WEIGHT`.
 *
 * @module
 */
import { lines } from "../../../quant/gpu/wgsl_lines.ts";
import { ACROSS, jobText, multiplyBegins, type Tile } from "./product_text.ts";

/** Invocations of a subgroup along the columns: what they read together lies close together so. */
const ACROSS_SUBGROUP = 4;
const SUBGROUP = 32;

/** Halves that are brought together. */
const EIGHT = 8;

/** Exponent of the largest number of a row. */
const TOP_EXPONENT = 4;

/** Products that are summed in float16, half of them in each half of a pair. */
const GATHERED = 32;

/** Weights up to here: so many products with numbers below 32 are within float16. */
export const LARGEST_WEIGHT = 60;

/** The text, for tiles that are as deep as some `GATHERED` and whose eights all invocations share. */
export function halfProductText(tile: Tile): string {
  const { rows, columns, depth, down } = tile;
  const threads = ACROSS * down;
  const [own, ownColumns] = [rows / down, columns / ACROSS];
  const across = depth / EIGHT;
  const eights = GATHERED / EIGHT;
  const each = (rows + columns) * across / threads;
  const pair = (i: number, j: number) => `pair${i}_${j}`;
  const sum = (i: number, j: number) => `sum${i}_${j}`;
  const ofOwn = (text: (i: number, j: number) => string) =>
    lines(own, (i) => lines(ownColumns, (j) => text(i, j)));
  const unit = (u: number, ofRows: string, ofColumns: string) => `
    { let unit = lane + ${u * threads}u;
      ${
    (u + 1) * threads <= rows * across ? ofRows : u * threads >= rows * across ? ofColumns : `
      if (unit < ${rows * across}u) { ${ofRows} } else { ${ofColumns} }`
  }
    }`;
  const bring = lines(each, (u) =>
    unit(
      u,
      `let inner = first + 2u * (unit % ${across}u);
        let at = row_of(row0 + unit / ${across}u) * job.inner + inner;
        got${u} = within(Eight(rows_in[at] * factor${u}, rows_in[at + 1u] * factor${u}), inner, end);`,
      `let place = unit - ${rows * across}u;
        let inner = first + 2u * (place % ${across}u);
        let at = min(column0 + place / ${across}u, job.columns - 1u) * job.inner + inner;
        got${u} = within(Eight(matrix[at], matrix[at + 1u]), inner, end);`,
    ));
  const lay = lines(each, (u) =>
    unit(
      u,
      `left[unit % ${across}u][unit / ${across}u] = got${u};`,
      `let place = unit - ${rows * across}u;
        right[place % ${across}u][place / ${across}u] = got${u};`,
    ));
  const multiply = lines(across, (k) => `
    { ${lines(ownColumns, (j) => `let b${j} = right[${k}][x + ${j * ACROSS}u];`)}
      ${
    lines(own, (i) => `
      { let a = left[${k}][y + ${i * down}u];
        ${
      lines(ownColumns, (j) => {
        const p = pair(i, j);
        return `${p} = ${
          k % eights === 0 ? `a.low.xy * b${j}.low.xy` : `fma(a.low.xy, b${j}.low.xy, ${p})`
        };
        ${p} = fma(a.low.zw, b${j}.low.zw, ${p});
        ${p} = fma(a.high.xy, b${j}.high.xy, ${p});
        ${p} = fma(a.high.zw, b${j}.high.zw, ${p});`;
      })
    }
      }`)
  }
      ${
    (k + 1) % eights === 0
      ? ofOwn((i, j) => `${sum(i, j)} += f32(${pair(i, j)}.x) + f32(${pair(i, j)}.y);`)
      : ""
  }
    }`);
  return `enable f16;

${
    jobText(`  // Place of the largest number of the left factor's first row.
  tops_at: u32,
`)
  }
struct Eight {
  low: vec4<f16>,
  high: vec4<f16>,
}

@group(0) @binding(2) var<storage, read> rows_in: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> matrix: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> product: array<f32>;
// The largest magnitude of each row of the left factor, as the bits of a float.
@group(0) @binding(5) var<storage, read> tops: array<u32>;

// With two rows to spare: else what is brought from one row would go to one bank.
var<workgroup> left: array<array<Eight, ${rows + 2}>, ${across}>;
var<workgroup> right: array<array<Eight, ${columns + 2}>, ${across}>;

fn row_of(row: u32) -> u32 {
  return job.first_row + min(row, job.rows - 1u);
}

// What lies in front of the end of the inner axis, or of a split of it.
fn within(eight: Eight, inner: u32, end: u32) -> Eight {
  return Eight(
    select(vec4<f16>(), eight.low, inner < end),
    select(vec4<f16>(), eight.high, inner + 1u < end),
  );
}

// How far a row's numbers are above those that are multiplied, as an exponent of two.
fn above(row: u32) -> i32 {
  let exponent = i32(tops[job.tops_at + row_of(row)] >> 23u) - 127;
  // Nothing is done about rows of zeros, nor about those that are not finite.
  return select(clamp(exponent - ${TOP_EXPONENT}, -15, 14), 0, exponent == -127 || exponent == 128);
}

fn power(exponent: i32) -> f32 {
  return bitcast<f32>(u32(exponent + 127) << 23u);
}

${multiplyBegins(tile)}  let of_subgroup = lane % ${SUBGROUP}u;
  let subgroup = lane / ${SUBGROUP}u;
  let x = subgroup % ${ACROSS / ACROSS_SUBGROUP}u * ${ACROSS_SUBGROUP}u +
    of_subgroup % ${ACROSS_SUBGROUP}u;
  let y = subgroup / ${ACROSS / ACROSS_SUBGROUP}u * ${SUBGROUP / ACROSS_SUBGROUP}u +
    of_subgroup / ${ACROSS_SUBGROUP}u;
  ${
    lines(each, (u) =>
      `let factor${u} = f16(power(-above(row0 + min(lane + ${u * threads}u, ${
        rows * across - 1
      }u) / ${across}u)));
  var got${u} = Eight();`)
  }
  ${ofOwn((i, j) => `var ${sum(i, j)} = 0.0; var ${pair(i, j)} = vec2<f16>();`)}
  var first = part * job.split;
  loop {
    ${bring}
    ${lay}
    workgroupBarrier();
    ${multiply}
    first += ${depth / 4}u;
    if (first >= end) {
      break;
    }
    workgroupBarrier();
  }
  ${
    lines(own, (i) => `
  { let row = row0 + y + ${i * down}u;
    if (row < job.rows) {
      let scale = power(above(row));
      let to = (part * job.rows + row) * 4u * job.out_width;
      ${
      lines(ownColumns, (j) => `
      { let column = column0 + x + ${j * ACROSS}u;
        if (column < 4u * job.out_width) {
          product[to + column] = ${sum(i, j)} * scale;
        }
      }`)
    }
    }
  }`)
  }
}
`;
}
