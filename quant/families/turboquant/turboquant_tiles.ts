/**
 * The kernels of `turboquant_tile.wgsl`, with what is written out for a number of channels: what they
 * read of the workgroup's memory then lies at constants, and the tensor is read once.
 *
 * @module
 */
import { halvedSum, lines, upTo } from "../../gpu/wgsl_lines.ts";
import text from "./turboquant_tile.wgsl" with { type: "text" };

/** Vectors of an invocation, and fours of channels that it has of each. */
const VECTORS = 8;
const QUADS = 2;

/** Invocations of a workgroup that has one four of channels of each vector. */
const THREADS = 256;

/** Fours of a vector that `sum_of` would add up: each is the sum of every sixteenth. */
const SUMMED = 16;

/** WGSL that reads a vector by `readers` invocations, each of which has so many fours of it. */
function readVector(readers: number, count: number): string {
  const mine = upTo(count);
  /** Squares of the invocation's own fours, of which it has every sixteenth. */
  const squares = upTo(SUMMED).map((s) => mine.filter((i) => i * readers % SUMMED === s));
  const own = halvedSum(
    0,
    readers,
    SUMMED,
    (s) => squares[s]!.length === 0 ? undefined : `square${s}`,
  );
  return `
// Fours of channels of a vector, \`readers\` from each other, divided so that no square overflows or vanishes.
struct Read {
${lines(count, (i) => `  x${i}: vec4f,`)}
}

// Reads a vector together with others, and measures it.
fn read_vector(found: Tile, vector: u32, reader: u32) -> Read {
  let here = vector < found.vectors;
  // Where there is none, the first one does no harm.
  let at = quad_address(found, select(0u, vector, here), reader);
${lines(count, (i) => `  let y${i} = tensor[at + ${i}u * readers];`)}
  // Sizes as integers, since of a number and NaN the larger one may be either.
  let sizes = ${
    mine.map((i) => `(bitcast<vec4u>(y${i}) & vec4u(0x7fffffffu))`).reduce((a, b) =>
      `max(${a}, ${b})`
    )
  };
  let most = bitcast<f32>(max(max(sizes.x, sizes.y), max(sizes.z, sizes.w)));
  if (!is_finite_value(most)) {
    report_not_finite(found.token + vector, job.heads, found.head);
  }
  read_largest[vector][reader] = most;
  workgroupBarrier();
  var largest = most;
${lines(readers, (r) => `  largest = max(largest, read_largest[vector][${r}]);`)}
  let unit = select(1.0, largest, largest > 0.0);
${lines(count, (i) => `  let x${i} = y${i} / unit;`)}
${
    squares.flatMap(([first, ...others], s) =>
      first === undefined ? [] : [
        // Rounded, as it is where it is not added to anything.
        `  var square${s} = alone_quad(x${first} * x${first});`,
        ...others.map((i) => `  square${s} += x${i} * x${i};`),
      ]
    ).join("\n")
  }
  read_squares[vector][reader] = ${own};
  workgroupBarrier();
  if (reader == 0u) {
    let parts = ${halvedSum(0, 1, readers, (r) => `read_squares[vector][${r}]`)};
    let square = (parts.x + parts.z) + (parts.y + parts.w);
    scales[vector] = 1.0 / (sqrt(square) + 1e-10 / unit);
    if (here) {
      store_norm(norm_index(found.token + vector, found.head, 0u), sqrt(square) * unit);
    }
  }
  return Read(${mine.map((i) => `x${i}`).join(", ")});
}

// Puts the quarter of a vector's channels that an invocation has into the slab.
fn put_quarter(read: Read, quarter: u32, vector: u32, reader: u32) {
  switch (quarter) {
${
    lines(4, (quarter) =>
      `    ${quarter === 3 ? "default" : `case ${quarter}u`}: {
${
        lines(count / 4, (i) =>
          `      slab[vector][${i}u * readers + reader] = read.x${count / 4 * quarter + i};`)
      }
    }`)
  }
  }
}
`;
}

/** WGSL of `Products`, the sums of an invocation, what is added to them and where they go. */
function products(quads: number, own: number): string {
  const owned = upTo(own);
  const sum = (vector: number, o: number) => `(*sums).a${vector}_${o}`;
  const parts = (name: string, first: number) => `
fn ${name}(group: u32, quad: u32, width: u32, sums: ptr<function, Products>) {
${
    lines(own, (o) =>
      `  put_parts(${first}u * vector_groups, group, quad + ${o}u * quad_slots, width, ${
        upTo(VECTORS / 2).map((v) =>
          sum(first + v, o)
        ).join(", ")
      });`)
  }
}
`;
  return `
// An invocation's vectors times its columns of a matrix.
struct Products {
${lines(VECTORS, (v) => owned.map((o) => `  a${v}_${o}: vec4f,`).join("\n"))}
}

// Adds the products with a quarter of the channels; \`column\` is where the matrix's begin.
fn add_products(quarter: u32, group: u32, column: u32, sums: ptr<function, Products>) {
  let first = column + 4u * quarter * slab_quads * quads;
${
    lines(quads / 4, (i) =>
      [
        ...owned.flatMap((o) =>
          upTo(4).map((row) =>
            `  let m${i}_${row}_${o} = tables[first + ${
              4 * i + row
            }u * quads + ${o}u * quad_slots];`
          )
        ),
        ...upTo(VECTORS).flatMap((v) => [
          `  let x${i}_${v} = slab[group + ${v}u * vector_groups][${i}];`,
          ...owned.map((o) => {
            const rows = upTo(4).map((row) => `m${i}_${row}_${o}`).join(", ");
            return `  ${sum(v, o)} = plus(${sum(v, o)}, x${i}_${v}, ${rows});`;
          }),
        ]),
      ].join("\n"))
  }
}
${parts("put_first_parts", 0)}${parts("put_last_parts", VECTORS / 2)}
fn put_vectors(found: Tile, group: u32, quad: u32, sums: ptr<function, Products>) {
${
    lines(VECTORS, (v) =>
      owned.map((o) =>
        `  put_restored(found, group + ${v}u * vector_groups, quad + ${o}u * quad_slots, ${
          sum(v, o)
        });`
      ).join("\n"))
  }
}
`;
}

/** WGSL for vectors of so many channels. */
export function turboquantTiles(channels: number): string {
  const quads = channels / 4;
  // Short vectors are read by one invocation each.
  const own = channels < 64 ? 1 : QUADS;
  const readers = quads / (VECTORS * own);
  return `const fixed_channels = ${channels}u;
const tile_threads = ${THREADS / own}u;
const readers = ${readers}u;
// Fours of channels between two of an invocation.
const quad_slots = ${quads / own}u;
${text}${readVector(readers, quads / readers)}${products(quads, own)}`;
}
