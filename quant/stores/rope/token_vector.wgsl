// All channels of one token in a workgroup, as one vector. Needs `job` with `heads`, `head_dim`, `capacity`
// and `rotate`, the `tensor` that is read or written, and the rotary tables `cosine` and `sine`.

// heads * headDim of the model.
override most_channels: u32 = 128u;

var<workgroup> vector: array<f32, most_channels>;

// Where a channel of a token is in the tensor.
fn place_of(c: u32, token: u32) -> u32 {
  return (c / job.head_dim * job.capacity + token) * job.head_dim + c % job.head_dim;
}

// A channel of a token, which is reported as the channel of token `reported` if it is not finite.
fn channel_of(c: u32, token: u32, reported: u32) -> f32 {
  let x = tensor[place_of(c, token)];
  if (!is_finite_value(x)) {
    report_not_finite(reported, job.heads, c / job.head_dim);
  }
  return x;
}

// A channel of the vector, turned to the token's position where the job says so.
fn turned_channel(c: u32, token: u32) -> f32 {
  let own = vector[c];
  if (job.rotate == 0u) {
    return own;
  }
  let half = job.head_dim / 2u;
  let d = c % job.head_dim;
  let angle = token * half + d % half;
  let other = select(-vector[min(c + half, most_channels - 1u)], vector[max(c, half) - half], d >= half);
  return own * cosine[angle] + other * sine[angle];
}

// Puts the vector where the token is in the tensor.
fn place_vector(token: u32, thread: u32) {
  for (var c = thread; c < most_channels; c += workgroup_threads) {
    tensor[place_of(c, token)] = turned_channel(c, token);
  }
}
