// QAQ (ClubieDong/QAQ-KVCacheQuantization, src/quantizer.py): groups inside one token, one workgroup
// each. Layout: qaq_settings.ts and qaq_packed_cpu.ts; arithmetic: qaq_rule.ts and qaq_groups.ts.
// Before it stand `fixed_heads`, `fixed_head_dim`, `fixed_groups` of a token and `fixed_group_size`.

struct Job {
  // Distances in the buffer that is read: between layers, between heads; and its first entry.
  layer_stride: u32,
  head_stride: u32,
  base: u32,
  // Tokens of this dispatch.
  first: u32,
  tokens: u32,
  low_rank: u32,
  high_rank: u32,
  // Outliers of a group without ties.
  nominal: u32,
  position_bits: u32,
  // Widths by attention: smallest and largest, largest error, and the first token without history.
  least_bits: u32,
  most_bits: u32,
  recent: u32,
  error: f32,
}

// Keep outliers apart.
override sparse: bool = false;
override symmetric: bool = false;
// Codes are quantiles of the normal distribution.
override normal: bool = false;
// Widths follow from the group's range: for values through its attention, for keys directly.
override adaptive: bool = false;
override attentive: bool = false;
// Float32 parameters and outlier values instead of half precision.
override wide: bool = false;

const width_bits = 5u;
const no_exception = 0xffffffffu;

// What is known of a group before its codes are written.
struct Record {
  mean: f32,
  // Range, or standard deviation.
  spread: f32,
  // Entries at most `low` or above `high` are outliers.
  low: f32,
  high: f32,
  bits: u32,
  outliers: u32,
  // Where its codes and its outliers begin.
  code_bit: u32,
  outlier: u32,
  // Its place among the exceptions.
  exception: u32,
}

fn is_outlier(x: f32, low: f32, high: f32) -> bool {
  return sparse && (x <= low || x > high);
}
