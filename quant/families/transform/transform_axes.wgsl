// Which axes are stored of each block of channels. Before it stands `block_channels`.

// Of every stored axis its bits of an entry, above them its block and the word it begins with.
@group(0) @binding(2) var<storage, read> axes: array<u32>;

// Stored components of the blocks before one.
fn stored_before(block: u32) -> u32 {
  var low = 0u;
  var high = job.stored;
  while (low < high) {
    let middle = (low + high) / 2u;
    if ((axes[middle] >> 4u & 0xffu) < block) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}

// The first stored component of a block, and how many they are.
fn block_at(block: u32) -> vec2u {
  let first = stored_before(block);
  return vec2u(first, stored_before(block + 1u) - first);
}
