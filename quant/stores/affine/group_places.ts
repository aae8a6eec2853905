/**
 * What the kernels of one layout need of it, as WGSL: sizes as constants, by which a compiler divides
 * without dividing and unrolls loops, and where codes lie.
 *
 * @module
 */
import type { Band, GroupLayout } from "./group_layout.ts";

/** Whether every head has the same width and largest code. */
export function headsAlike({ bands }: GroupLayout): boolean {
  const [{ bits, topCode }] = bands as [Band];
  return bands.every((band) => band.bits === bits && band.topCode === topCode);
}

/** The sizes of a layout in a tensor of so many heads, and `place_of`, to stand behind `group.wgsl`. */
export function groupPlaces(layout: GroupLayout, heads: number): string {
  const { groupSize, headDim, unitWords, unitGroups, bands, axis } = layout;
  const [{ bits, topCode, rowWords, heads: bandHeads }] = bands as [Band];
  const constants = {
    heads,
    head_dim: headDim,
    group_size: groupSize,
    unit_words: unitWords,
    unit_groups: unitGroups,
    bits,
    top_code: topCode,
    row_words: rowWords,
    band_heads: bandHeads,
  };
  const place = axis === "channel" ? "Channel" : "Token";
  return [
    ...Object.entries(constants).map(([name, value]) => `const fixed_${name} = ${value}u;`),
    PLACE,
    headsAlike(layout) ? ALIKE[place] : UNLIKE[place],
  ].join("\n");
}

/** Where the codes from one channel of a unit on begin; on the channel axis, those of that channel. */
const PLACE = `
struct Place {
  word: u32,
  shift: u32,
  bits: u32,
  group: u32,
}`;

const ALIKE = {
  Token: `
fn place_of(unit: u32, head: u32, channel: u32) -> Place {
  let band = head / fixed_band_heads;
  let position = (head - band * fixed_band_heads) * fixed_head_dim + channel;
  let bit = position * fixed_bits;
  let band_groups = fixed_band_heads * fixed_head_dim / fixed_group_size;
  return Place(
    unit * fixed_unit_words + band * fixed_row_words + (bit >> 5u),
    bit & 31u,
    fixed_bits,
    unit * fixed_unit_groups + band * band_groups + position / fixed_group_size,
  );
}`,
  Channel: `
fn place_of(unit: u32, head: u32, channel: u32) -> Place {
  let row = head * fixed_head_dim + channel;
  return Place(
    unit * fixed_unit_words + row * fixed_row_words,
    0u,
    fixed_bits,
    unit * fixed_unit_groups + row,
  );
}`,
};

const UNLIKE = {
  Token: `
fn place_of(unit: u32, head: u32, channel: u32) -> Place {
  let band = bands[head / fixed_band_heads];
  let position = (head - band.first_head) * fixed_head_dim + channel;
  let bit = position * band.bits;
  return Place(
    unit * fixed_unit_words + band.word_offset + (bit >> 5u),
    bit & 31u,
    band.bits,
    unit * fixed_unit_groups + band.group_offset + position / fixed_group_size,
  );
}`,
  Channel: `
fn place_of(unit: u32, head: u32, channel: u32) -> Place {
  let band = bands[head];
  return Place(
    unit * fixed_unit_words + band.word_offset + channel * band.row_words,
    0u,
    band.bits,
    unit * fixed_unit_groups + band.group_offset + channel,
  );
}`,
};
