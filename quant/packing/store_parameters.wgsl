// Stores the scale and zero point of a group; layout: parameters.ts.

// Atomic because two float8 pairs share a word.
@group(0) @binding(8) var<storage, read_write> parameters: array<atomic<u32>>;

fn store_parameters(group: u32, scale: f32, zero: f32) {
  if (parameter_type == parameters_f16) {
    atomicStore(&parameters[group], half_bits(scale) | (half_bits(zero) << 16u));
  } else if (parameter_type == parameters_f32) {
    atomicStore(&parameters[2u * group], bitcast<u32>(scale));
    atomicStore(&parameters[2u * group + 1u], bitcast<u32>(zero));
  } else {
    let pair = float8_bits(scale) | (float8_bits(zero) << 8u);
    atomicOr(&parameters[group >> 1u], pair << ((group & 1u) * 16u));
  }
}
