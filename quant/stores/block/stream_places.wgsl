// Where the entries of a stream lie (stream_quantize.ts) that goes by heads, tokens, channels.

fn stream_entries() -> u32 {
  return job.heads * job.tokens * fixed_head_dim;
}

fn stream_quad(position: u32) -> u32 {
  let head = position / (job.tokens * fixed_head_dim);
  return (position + head * (job.capacity - job.tokens) * fixed_head_dim) / 4u;
}

fn stream_first_word() -> u32 {
  return 0u;
}

fn stream_first_group() -> u32 {
  return 0u;
}
