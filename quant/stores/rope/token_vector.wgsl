// All channels of one token in a workgroup, as one vector. Needs `job` with `head_dim`, `capacity` and
// `rotate`, and the rotary tables `cosine` and `sine`.

// heads * headDim of the model.
override most_channels: u32 = 128u;

var<workgroup> vector: array<f32, most_channels>;

// Where a channel of a token is in the tensor.
fn place_of(c: u32, token: u32) -> u32 {
  return (c / job.head_dim * job.capacity + token) * job.head_dim + c % job.head_dim;
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
