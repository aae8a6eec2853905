// Weights as they are stored in a checkpoint, into the numbers of the decoder.

struct Job {
  // Fours that came, and the place of the first.
  count: u32,
  first: u32,
  // The largest number that is multiplied in float16.
  largest: f32,
}

@group(0) @binding(2) var<storage, read> brain_floats: array<vec2u>;
@group(0) @binding(3) var<storage, read> floats: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> floats_out: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> halves_out: array<vec2u>;
// How many numbers are beyond float16, and how many above those that are multiplied in it.
@group(0) @binding(6) var<storage, read_write> counts: array<atomic<u32>, 2>;

fn of_brain_floats(words: vec2u) -> vec4f {
  return vec4f(
    bitcast<f32>(words.x << 16u),
    bitcast<f32>(words.x & 0xffff0000u),
    bitcast<f32>(words.y << 16u),
    bitcast<f32>(words.y & 0xffff0000u),
  );
}

// What is no number stays none: the engine refuses what it makes of it.
fn half_of(number: f32) -> u32 {
  let magnitude = bitcast<u32>(number) & 0x7fffffffu;
  if (magnitude > not_finite_exponent) {
    return 0x7e00u;
  }
  if (magnitude > bitcast<u32>(half_max)) {
    atomicAdd(&counts[0], 1u);
  }
  if (magnitude > bitcast<u32>(job.largest)) {
    atomicAdd(&counts[1], 1u);
  }
  return half_bits(number);
}

fn halves_of(numbers: vec4f) -> vec2u {
  return vec2u(
    half_of(numbers.x) | half_of(numbers.y) << 16u,
    half_of(numbers.z) | half_of(numbers.w) << 16u,
  );
}

@compute @workgroup_size(workgroup_threads)
fn brain_floats_to_floats(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index < job.count) {
    floats_out[job.first + index] = of_brain_floats(brain_floats[index]);
  }
}

@compute @workgroup_size(workgroup_threads)
fn brain_floats_to_halves(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index < job.count) {
    halves_out[job.first + index] = halves_of(of_brain_floats(brain_floats[index]));
  }
}

@compute @workgroup_size(workgroup_threads)
fn floats_to_halves(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
) {
  let index = flat_index(id, workgroups);
  if (index < job.count) {
    halves_out[job.first + index] = halves_of(floats[index]);
  }
}
