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

struct Block {
  index: u32,
  // Its first stored component, and how many they are.
  first: u32,
  components: u32,
}

fn block_at(index: u32) -> Block {
  let first = stored_before(index);
  return Block(index, first, stored_before(index + 1u) - first);
}

// Channels of a block, and at most as many components, four by four.
const block_quads = (block_channels + 3u) / 4u;
