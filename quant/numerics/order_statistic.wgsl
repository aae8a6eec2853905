// Order statistics of a workgroup's values. The family supplies `fn element(index: u32) -> f32`. Every
// invocation of a workgroup calls these functions with the same arguments.

// Before it stands, from order_statistics.ts:
//   const most_kept     up to so many values are kept as keys in the workgroup's memory
//   const kept_slots    words that these take

// So many values, every one's rank is counted: that takes hardly any barriers.
const most_counted = 256u;
const no_key = 0xffffffffu;

var<workgroup> select_counts: array<atomic<u32>, 16>;
// With a gap behind every 16, so that invocations with runs of 16 do not wait for each other.
var<workgroup> select_keys: array<u32, kept_slots>;
var<workgroup> select_ends: array<u32, workgroup_threads>;
var<workgroup> select_near: array<u32, most_counted>;
var<workgroup> select_bound: u32;
var<workgroup> select_length: u32;
var<workgroup> select_found: array<u32, 4>;

// Integers that compare like the floats.
fn ordered_key(x: f32) -> u32 {
  let bits = bitcast<i32>(x);
  return bitcast<u32>(bits) ^ (bitcast<u32>(bits >> 31u) | 0x80000000u);
}

fn from_ordered_key(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u));
}

// Keeps the values; then `kept_element` gives them in the place of `element`.
fn keep_elements(count: u32, lane: u32) {
  if (count <= most_kept) {
    for (var i = lane; i < count; i += workgroup_threads) {
      select_keys[i + i / 16u] = ordered_key(element(i));
    }
  }
  workgroupBarrier();
}

fn kept_key(count: u32, index: u32) -> u32 {
  if (count <= most_kept) {
    return select_keys[index + index / 16u];
  }
  return ordered_key(element(index));
}

fn kept_element(count: u32, index: u32) -> f32 {
  if (count <= most_kept) {
    return from_ordered_key(select_keys[index + index / 16u]);
  }
  return element(index);
}

// The values of four ranks, 0 the smallest, among `count` kept ones; x and y, and z and w, are the same or
// follow each other.
fn order_statistics(count: u32, ranks: vec4u, lane: u32) -> vec4f {
  if (count <= most_counted) {
    for (var i = lane; i < count; i += workgroup_threads) {
      select_near[i] = kept_key(count, i);
    }
    workgroupBarrier();
    count_ranks(count, ranks, 0u, lane);
  } else {
    let low = vec4u(ranks.xy, no_key, no_key);
    if (ranks.y >= workgroup_threads || !outermost(count, low, ranks.y, 0u, lane)) {
      radix_select(count, ranks.x, 0u, lane);
      radix_select(count, ranks.y, 1u, lane);
    }
    let top = count - 1u;
    let high = vec4u(no_key, no_key, top - ranks.zw);
    if (top - ranks.z >= workgroup_threads || !outermost(count, high, high.z, no_key, lane)) {
      radix_select(count, ranks.z, 2u, lane);
      radix_select(count, ranks.w, 3u, lane);
    }
  }
  return vec4f(
    from_ordered_key(select_found[0]),
    from_ordered_key(select_found[1]),
    from_ordered_key(select_found[2]),
    from_ordered_key(select_found[3]),
  );
}

// Notes those of some keys that have one of the ranks.
fn count_ranks(length: u32, ranks: vec4u, flips: u32, lane: u32) {
  // Filled up to fours.
  if (lane < 3u && length + lane < most_counted) {
    select_near[length + lane] = no_key;
  }
  workgroupBarrier();
  for (var i = lane; i < length; i += workgroup_threads) {
    let key = select_near[i];
    // Keys below this one, and those that are not above it: equal ones share their ranks.
    var below = 0u;
    var up_to = 0u;
    for (var j = 0u; j < length; j += 4u) {
      let others = vec4u(
        select_near[j],
        select_near[j + 1u],
        select_near[j + 2u],
        select_near[j + 3u],
      );
      let less = select(vec4u(0u), vec4u(1u), others < vec4u(key));
      let most = select(vec4u(0u), vec4u(1u), others <= vec4u(key));
      below += less.x + less.y + less.z + less.w;
      up_to += most.x + most.y + most.z + most.w;
    }
    for (var r = 0u; r < 4u; r++) {
      if (below <= ranks[r] && ranks[r] < up_to) {
        select_found[r] = key ^ flips;
      }
    }
  }
  workgroupBarrier();
}

// Whether the values of some ranks, `far` the one furthest from the end, are among the few outermost.
// Every invocation knows its own outermost value, and of those the one of rank `far` has that many values
// on its far side, or more: what lies beyond it need not be looked at. `flips` turns keys around where
// the end is the upper one.
fn outermost(count: u32, ranks: vec4u, far: u32, flips: u32, lane: u32) -> bool {
  var mine = no_key;
  for (var i = lane; i < count; i += workgroup_threads) {
    mine = min(mine, kept_key(count, i) ^ flips);
  }
  select_ends[lane] = mine;
  if (lane == 0u) {
    atomicStore(&select_counts[0], 0u);
  }
  workgroupBarrier();
  var rank = 0u;
  for (var other = 0u; other < workgroup_threads; other++) {
    let key = select_ends[other];
    rank += select(0u, 1u, key < mine || (key == mine && other < lane));
  }
  if (rank == far) {
    select_bound = mine;
  }
  workgroupBarrier();
  let bound = select_bound;
  for (var i = lane; i < count; i += workgroup_threads) {
    let key = kept_key(count, i) ^ flips;
    if (key <= bound) {
      let at = atomicAdd(&select_counts[0], 1u);
      if (at < most_counted) {
        select_near[at] = key;
      }
    }
  }
  workgroupBarrier();
  if (lane == 0u) {
    select_length = atomicLoad(&select_counts[0]);
  }
  let length = workgroupUniformLoad(&select_length);
  if (length > most_counted) {
    return false;
  }
  count_ranks(length, ranks, flips, lane);
  return true;
}

// Notes the value of one rank, by radix select: four bits of the ordered key at a time.
fn radix_select(count: u32, rank: u32, slot: u32, lane: u32) {
  var prefix = 0u;
  var left = rank;
  for (var digit = 0u; digit < 8u; digit++) {
    let shift = 28u - 4u * digit;
    if (lane < 16u) {
      atomicStore(&select_counts[lane], 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < count; i += workgroup_threads) {
      let key = kept_key(count, i);
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
  if (lane == 0u) {
    select_found[slot] = prefix;
  }
  workgroupBarrier();
}
