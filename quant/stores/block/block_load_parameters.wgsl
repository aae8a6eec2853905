// Loads what a group is restored by; layout: block_parameters.ts.

@group(0) @binding(6) var<storage, read> parameters: array<u32>;

fn load_parameters(group: u32) -> vec2f {
  if (parameter_format == format_f16_pair) {
    let pair = parameters[group];
    return vec2f(half_value(pair & 0xffffu), half_value(pair >> 16u));
  }
  if (parameter_format == format_f16_i16) {
    let pair = parameters[group];
    return vec2f(half_value(pair & 0xffffu), f32(bitcast<i32>(pair) >> 16u));
  }
  if (parameter_format == format_f16_scale) {
    return vec2f(half_in(parameters[group >> 1u], group), 0.0);
  }
  if (parameter_format == format_f32_scale) {
    return vec2f(bitcast<f32>(parameters[group]), 0.0);
  }
  return vec2f(bitcast<f32>(parameters[2u * group]), bitcast<f32>(parameters[2u * group + 1u]));
}
