// KVQuant (SqueezeAILab/KVQuant, quant/kvquant/simquant_module_quantizer.py): one workgroup codes the
// channels of all heads of one token. Layout: kvquant_settings.ts; arithmetic: kvquant_rule.ts.
// Before it stand `fixed_heads` and `fixed_head_dim`.

struct CodeRow {
  first_code: u32,
  codes: u32,
  bits: u32,
  word_offset: u32,
  words: u32,
  // First boundary of the row's codebook; first value of it, or of its table of channels.
  first_bound: u32,
  first_value: u32,
  masked_code: u32,
}

struct Job {
  // Tokens of room in the tensor that is read or written.
  capacity: u32,
  // First quantized token of the cache.
  from_token: u32,
  // Tokens of this dispatch, the first counted from `from_token`.
  first: u32,
  tokens: u32,
  token_words: u32,
  rows: u32,
  // Ranks below the quantiles 1 - t and t, and the weights of the values above them.
  low_rank: u32,
  high_rank: u32,
  low_weight: f32,
  high_weight: f32,
}

@group(0) @binding(2) var<storage, read> rows: array<CodeRow>;

// Ranges calibrated per channel, or each token's own.
override calibrated: bool = false;
// Integer codes instead of a codebook.
override whole: bool = false;
override round_zero: bool = false;
override sparse: bool = false;
// Float32 parameters and outlier values instead of half precision.
override wide: bool = false;
