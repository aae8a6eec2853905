// Order statistics of a workgroup's values. The family supplies `fn element(index: u32) -> f32`. Every
// invocation of a workgroup calls these functions with the same arguments.

// Up to so many values, every value's rank is counted: that takes hardly any barriers.
const most_counted = 256u;

var<workgroup> select_counts: array<atomic<u32>, 16>;
var<workgroup> select_keys: array<u32, most_counted>;
var<workgroup> select_found: array<u32, 4>;

// Integers that compare like the floats.
fn ordered_key(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

fn from_ordered_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u));
}

// The values of four ranks, 0 the smallest, among `count` values.
fn order_statistics(count: u32, ranks: vec4u, lane: u32) -> vec4f {
  if (count > most_counted) {
    return vec4f(
      order_statistic(count, ranks.x, lane),
      order_statistic(count, ranks.y, lane),
      order_statistic(count, ranks.z, lane),
      order_statistic(count, ranks.w, lane),
    );
  }
  for (var i = lane; i < count; i += workgroup_threads) {
    select_keys[i] = ordered_key(element(i));
  }
  workgroupBarrier();
  for (var i = lane; i < count; i += workgroup_threads) {
    let key = select_keys[i];
    var rank = 0u;
    for (var j = 0u; j < count; j++) {
      let other = select_keys[j];
      // Equal values rank in their order.
      rank += select(0u, 1u, other < key || (other == key && j < i));
    }
    for (var r = 0u; r < 4u; r++) {
      if (ranks[r] == rank) {
        select_found[r] = key;
      }
    }
  }
  workgroupBarrier();
  return vec4f(
    from_ordered_key(select_found[0]),
    from_ordered_key(select_found[1]),
    from_ordered_key(select_found[2]),
    from_ordered_key(select_found[3]),
  );
}

// The value of one rank, by radix select: four bits of the ordered key at a time.
fn order_statistic(count: u32, rank: u32, lane: u32) -> f32 {
  var prefix = 0u;
  var left = rank;
  for (var digit = 0u; digit < 8u; digit++) {
    let shift = 28u - 4u * digit;
    if (lane < 16u) {
      atomicStore(&select_counts[lane], 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < count; i += workgroup_threads) {
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
