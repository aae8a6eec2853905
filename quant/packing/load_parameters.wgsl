// Loads the scale and zero point of a group; layout: parameters.ts.

@group(0) @binding(8) var<storage, read> parameters: array<u32>;

fn load_parameters(group: u32) -> vec2f {
  if (parameter_type == parameters_f16) {
    let pair = parameters[group];
    return vec2f(half_value(pair & 0xffffu), half_value(pair >> 16u));
  }
  if (parameter_type == parameters_f32) {
    return vec2f(
      bitcast<f32>(parameters[2u * group]),
      bitcast<f32>(parameters[2u * group + 1u]),
    );
  }
  let pair = parameters[group >> 1u] >> ((group & 1u) * 16u);
  return vec2f(float8_value(pair & 0xffu), float8_value((pair >> 8u) & 0xffu));
}
