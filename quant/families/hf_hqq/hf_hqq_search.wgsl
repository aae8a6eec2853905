// HQQ's search for better zero points (hqq_zero_points.ts).

// Where e = e^-0.3 / 10: smaller errors shrink to 0.
const shrinks_to_zero = 0.1701254;

// What an entry adds to a round: the size of its error, and to the zero point of its group.
fn searched(x: f32, fitted: vec2f, top_code: f32) -> vec2f {
  let code = nearest_level(x * fitted.x + fitted.y, top_code);
  let error = x - (code - fitted.y) / fitted.x;
  let size = abs(error);
  var kept = x;
  if (size > shrinks_to_zero) {
    kept -= sign(error) * (size - pow(size, -0.3) / 10.0);
  }
  return vec2f(size, code - kept * fitted.x);
}
