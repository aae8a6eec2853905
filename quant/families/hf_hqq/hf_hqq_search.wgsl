// HQQ's search for better zero points (hqq_zero_points.ts).

// Where e = e^-0.3 / 10: smaller errors shrink to 0.
const shrinks_to_zero = 0.1701254;

// What an entry adds to a round: the size of its error, and to the zero point of its group.
fn searched(x: f32, fitted: vec2f, top_code: f32) -> vec2f {
  let found = searched_quad(vec4f(x), fitted, top_code);
  return vec2f(found.sizes.x, found.fits.x);
}

// The same of four entries.
struct Searched {
  sizes: vec4f,
  fits: vec4f,
}

fn searched_quad(x: vec4f, fitted: vec2f, top_code: f32) -> Searched {
  let code = nearest_levels(x * fitted.x + fitted.y, top_code);
  let error = x - (code - fitted.y) / fitted.x;
  let size = abs(error);
  var kept = x;
  let shrinks = size > vec4f(shrinks_to_zero);
  if (any(shrinks)) {
    let shrunk = size - pow(size, vec4f(-0.3)) / 10.0;
    let signs = bitcast<vec4u>(error) & vec4u(0x80000000u);
    kept = select(x, x - bitcast<vec4f>(bitcast<vec4u>(shrunk) ^ signs), shrinks);
  }
  return Searched(size, code - kept * fitted.x);
}
