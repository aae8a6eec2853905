// Floating-point numbers of 4 and 8 bits, as in minifloat.ts.

// A format: mantissa bits, the exponent of the smallest normal value as a float32 has it, the bits of
// the largest finite value, and the position of the sign.
const e4m3 = vec4u(3u, 121u, 0x7eu, 7u);
const e5m2 = vec4u(2u, 113u, 0x7bu, 7u);
const e2m1 = vec4u(1u, 127u, 7u, 3u);

fn minifloat_bits(x: f32, format: vec4u) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = bits >> 31u << format.w;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude < format.y << 23u) {
    // Powers of two that scale to whole steps.
    let scale = bitcast<f32>((254u + format.x - format.y) << 23u);
    return sign | u32(round(abs(x) * scale));
  }
  let rounded = round_shift(magnitude, 23u - format.x);
  let offset = (format.y - 1u) << format.x;
  return sign | min(rounded - offset, format.z);
}

fn minifloat_value(bits: u32, format: vec4u) -> f32 {
  let magnitude = bits & ((1u << format.w) - 1u);
  let exponent = magnitude >> format.x;
  let mantissa = magnitude & ((1u << format.x) - 1u);
  let step = bitcast<f32>((format.y - format.x) << 23u);
  let normal = bitcast<f32>(
    ((exponent + format.y - 1u) << 23u) | (mantissa << (23u - format.x)),
  );
  let value = select(normal, f32(mantissa) * step, exponent == 0u);
  return select(value, -value, (bits >> format.w & 1u) != 0u);
}

// The value of an e8m0 scale above 0; 0 stands for a subnormal one, which a device may flush.
fn e8m0_value(bits: u32) -> f32 {
  return select(bitcast<f32>(bits << 23u), bitcast<f32>(0x00400000u), bits == 0u);
}
