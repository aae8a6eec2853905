/**
 * The kernel that quantizes groups along the tokens of a channel, written out for one group size and
 * width: all entries of a group are in registers, so that the tensor is read once, and no loop stands
 * between the loads.
 *
 * @module
 */

import { folded, ORDERED_FLOATS } from "../stream/stream_quantize.ts";
import { exactCodes } from "../stream/packed_codes.ts";

const cached = new Map<string, string>();

/** Entries of a group that registers take. */
export const MOST_IN_REGISTERS = 64;

/** Text of the kernel `quantize_columns`, to stand behind `group.wgsl` and `groupPlaces`; one invocation per group. */
export function columnQuantize(groupSize: number, bits: number): string {
  const key = `${groupSize}/${bits}`;
  let text = cached.get(key);
  if (text === undefined) cached.set(key, text = written(groupSize, bits));
  return text;
}

function written(groupSize: number, bits: number): string {
  const entries = Array.from({ length: groupSize }, (_, i) => i);
  const keys = entries.map((i) => `ordered(x${i})`);
  return `
const column_threads = 256u;

@group(0) @binding(3) var<storage, read> source: array<f32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;

${ORDERED_FLOATS}
const top_code = f32(fixed_top_code);

fn code_entry(x: f32, fitted: vec2f) -> u32 {
  return nearest_code(code_of(x, fitted.x, fitted.y, top_code), top_code);
}

@compute @workgroup_size(column_threads)
fn quantize_columns(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = flat_workgroup(id, workgroups) * column_threads + lane;
  if (index >= job.units * fixed_heads * fixed_head_dim) {
    return;
  }
  let channel = index % fixed_head_dim;
  let head = index / fixed_head_dim % fixed_heads;
  let unit = job.first_unit + index / fixed_head_dim / fixed_heads;
  let place = place_of(unit, head, channel);
  let token = job.from_token + unit * job.unit_tokens;
  let first = (head * job.capacity + token) * fixed_head_dim + channel;
${entries.map((i) => `  let x${i} = source[first + ${i}u * fixed_head_dim];`).join("\n")}
  let low = float_of(${folded("min", keys)});
  let high = float_of(${folded("max", keys)});
  if (!(is_finite_value(low) && is_finite_value(high))) {
    for (var i = 0u; i < ${groupSize}u; i++) {
      if (!is_finite_value(source[first + i * fixed_head_dim])) {
        report_not_finite(token + i, fixed_heads, head);
      }
    }
  }
  let fitted0 = scale_zero(low, high, top_code);
  store_parameters(place.group, fitted0.x, fitted0.y);
  let coded0 = fitted0.x > 0.0 && is_finite_value(fitted0.x);
${
    exactCodes({
      count: groupSize,
      bits,
      groupSize,
      entry: (i) => `x${i}`,
      word: "place.word",
    })
  }
}
`;
}
