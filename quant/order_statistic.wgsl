// Order statistics of a workgroup's values, by radix select: four bits of the ordered key at a time.
// The family supplies `fn element(index: u32) -> f32`. Every invocation of a workgroup calls
// `order_statistic` with the same arguments.

const select_threads = 64u;

var<workgroup> select_counts: array<atomic<u32>, 16>;

// Integers that compare like the floats.
fn ordered_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

fn from_ordered_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u));
}

// The value of the given rank, 0 the smallest, among `count` values.
fn order_statistic(count: u32, rank: u32, lane: u32) -> f32 {
  var prefix = 0u;
  var left = rank;
  for (var digit = 0u; digit < 8u; digit++) {
    let shift = 28u - 4u * digit;
    if (lane < 16u) {
      atomicStore(&select_counts[lane], 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < count; i += select_threads) {
      let key = ordered_key(element(i));
      // A shift by 32 is a shift by 0, so the first digit has no prefix to compare.
      if (digit == 0u || (key >> (shift + 4u)) == prefix) {
        atomicAdd(&select_counts[(key >> shift) & 15u], 1u);
      }
    }
    workgroupBarrier();
    var bin = 0u;
    var below = atomicLoad(&select_counts[0]);
    while (bin < 15u && below <= left) {
      bin++;
      left -= below;
      below = atomicLoad(&select_counts[bin]);
    }
    prefix = (prefix << 4u) | bin;
    workgroupBarrier();
  }
  return from_ordered_key(prefix);
}
