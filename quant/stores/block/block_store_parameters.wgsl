// Stores what a group is restored by; layout: block_parameters.ts.

// Atomic because two lone f16 scales share a word.
@group(0) @binding(6) var<storage, read_write> parameters: array<atomic<u32>>;

fn store_parameters(group: u32, pair: vec2f) {
  if (parameter_format == format_f16_pair) {
    atomicStore(&parameters[group], half_bits(pair.x) | (half_bits(pair.y) << 16u));
  } else if (parameter_format == format_f16_i16) {
    atomicStore(&parameters[group], half_bits(pair.x) | (bitcast<u32>(i32(pair.y)) << 16u));
  } else if (parameter_format == format_f16_scale) {
    atomicOr(&parameters[group >> 1u], half_into(pair.x, group));
  } else if (parameter_format == format_f32_scale) {
    atomicStore(&parameters[group], bitcast<u32>(pair.x));
  } else {
    atomicStore(&parameters[2u * group], bitcast<u32>(pair.x));
    atomicStore(&parameters[2u * group + 1u], bitcast<u32>(pair.y));
  }
}
