// Between what the graph of a GPU has and KV tensors: heads are columns of a token there, and numbers
// may be halves, two in a word.

struct Job {
  heads: u32,
  tokens: u32,
  head_dim: u32,
  // Numbers of one token in the graph's tensor, and those before the first head.
  token_numbers: u32,
  first_number: u32,
  // Numbers to convert.
  count: u32,
}

// Of the graph's tensor.
override halves: bool = false;

@group(0) @binding(2) var<storage, read> columns: array<u32>;
@group(0) @binding(3) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(4) var<storage, read> numbers: array<f32>;
@group(0) @binding(5) var<storage, read_write> packed: array<u32>;

// [tokens, heads * head_dim] to [heads, tokens, head_dim].
@compute @workgroup_size(256)
fn heads_first(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = id.x + id.y * workgroups.x * 256u;
  if (index >= job.heads * job.tokens * job.head_dim) {
    return;
  }
  let head = index / (job.tokens * job.head_dim);
  let token = index / job.head_dim % job.tokens;
  let at = token * job.token_numbers + job.first_number + head * job.head_dim +
    index % job.head_dim;
  if (halves) {
    tensor[index] = half_value((columns[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu);
  } else {
    tensor[index] = bitcast<f32>(columns[at]);
  }
}

// Two numbers to a word.
@compute @workgroup_size(256)
fn to_halves(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = id.x + id.y * workgroups.x * 256u;
  if (2u * index >= job.count) {
    return;
  }
  packed[index] = half_bits(numbers[2u * index]) | half_bits(numbers[2u * index + 1u]) << 16u;
}
