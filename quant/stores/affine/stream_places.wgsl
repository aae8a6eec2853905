// Where the entries of a stream lie (stream_quantize.ts) that goes by tokens, heads, channels.

const token_entries = fixed_heads * fixed_head_dim;

fn stream_entries() -> u32 {
  return job.units * token_entries;
}

fn stream_quad(position: u32) -> u32 {
  let token = job.from_token + job.first_unit + position / token_entries;
  let head = position % token_entries / fixed_head_dim;
  return ((head * job.capacity + token) * fixed_head_dim + position % fixed_head_dim) / 4u;
}

fn stream_first_word() -> u32 {
  return job.first_unit * fixed_unit_words;
}

fn stream_first_group() -> u32 {
  return job.first_unit * fixed_unit_groups;
}
