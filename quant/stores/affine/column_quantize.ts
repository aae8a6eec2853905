/**
 * The kernel that quantizes groups along the tokens of a channel, written out for one group size and
 * width: all entries of a group are in registers, so that the tensor is read once, and no loop stands
 * between the loads.
 *
 * @module
 */

import { ORDERED_FLOATS, packedWord } from "../stream/stream_quantize.ts";

const cached = new Map<string, string>();

/** Entries of a group that registers take. */
export const MOST_IN_REGISTERS = 64;

/** Text of the kernel `quantize_columns`, to stand behind `group.wgsl`; one invocation per group. */
export function columnQuantize(groupSize: number, bits: number): string {
  const key = `${groupSize}/${bits}`;
  let text = cached.get(key);
  if (text === undefined) cached.set(key, text = written(groupSize, bits));
  return text;
}

function written(groupSize: number, bits: number): string {
  const entries = Array.from({ length: groupSize }, (_, i) => i);
  const words = Math.ceil(groupSize * bits / 32);
  return `
const column_threads = 256u;

@group(0) @binding(3) var<storage, read> source: array<f32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;

${ORDERED_FLOATS}
fn column_code(x: f32, parameter: vec2f, top_code: f32, codes: bool) -> u32 {
  let steps = code_of(x, parameter.x, parameter.y, top_code);
  return select(0u, nearest_code(steps, top_code), codes);
}

@compute @workgroup_size(column_threads)
fn quantize_columns(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * column_threads + lane;
  if (index >= job.units * job.heads * job.head_dim) {
    return;
  }
  let channel = index % job.head_dim;
  let head = index / job.head_dim % job.heads;
  let unit = job.first_unit + index / job.head_dim / job.heads;
  let band = bands[head];
  let token = job.from_token + unit * job.unit_tokens;
  let first = (head * job.capacity + token) * job.head_dim + channel;
${entries.map((i) => `  let x${i} = source[first + ${i}u * job.head_dim];`).join("\n")}
  var low = ordered(x0);
  var high = low;
${
    entries.slice(1).map((i) =>
      `  low = min(low, ordered(x${i}));\n  high = max(high, ordered(x${i}));`
    ).join("\n")
  }
  if (!(is_finite_value(float_of(low)) && is_finite_value(float_of(high)))) {
${
    entries.map((i) =>
      `    if (!is_finite_value(x${i})) { report_not_finite(token + ${i}u, job.heads, head); }`
    ).join("\n")
  }
  }
  let top_code = f32(band.top_code);
  let parameter = scale_zero(float_of(low), float_of(high), top_code);
  store_parameters(
    unit * job.unit_groups + band.group_offset + channel,
    parameter.x,
    parameter.y,
  );
  let coded = parameter.x > 0.0 && is_finite_value(parameter.x);
${entries.map((i) => `  let c${i} = column_code(x${i}, parameter, top_code, coded);`).join("\n")}
  let word = unit * job.unit_words + band.word_offset + channel * band.row_words;
${
    Array.from({ length: words }, (_, w) =>
      `  codes[word + ${w}u] = ${packedWord(groupSize, bits, w)};`)
      .join("\n")
  }
}
`;
}
