/**
 * The packed entries of `qaq` in host memory: of one layer, or of all layers where groups span them.
 *
 * Everything is a stream in the order of the tokens and of their groups: codes of the entries that
 * are no outliers, each group at its own width; outlier values; their positions in the group; a
 * scale and a mean per group (a scale alone when symmetric); and, where widths differ from group to
 * group, the widths. Groups have the same number of outliers unless values tie, so only the
 * exceptions are listed: pairs of a group and its number.
 *
 * @module
 */
import { AttentionMaxima } from "./attention_maxima.ts";
import { BitWriter, readBits, readSteps } from "./bit_stream.ts";
import { CodeFinder } from "../../numerics/codebook.ts";
import { FloatRow } from "../../numerics/extremes.ts";
import type { BufferContents, KvKind, Source, StoredBuffer } from "../../family.ts";
import { throwNotFinite } from "../../finite_input.ts";
import { HALF_MAX } from "../../packing/half.ts";
import { qaqBuffers, type QaqTotals } from "./qaq_buffers.ts";
import { GroupMeasure } from "./qaq_groups.ts";
import { attentionInputs, oncePerLayer } from "./qaq_sharing.ts";
import { bitsFor, lacksHistory, largestError, type NormalCodes, normalCodes } from "./qaq_rule.ts";
import {
  momentOf,
  type QaqLayout,
  qaqLayout,
  qaqRange,
  type QaqSettings,
  WIDTH_BITS,
} from "./qaq_settings.ts";
import type { CpuTensor } from "../../tensor.ts";
import { usedContents } from "../../packing/used_contents.ts";

/** The normal codes of a width, ready for use. */
interface NormalBook extends NormalCodes {
  readonly finder: CodeFinder;
  /** What brings the outermost boundary to 1, where the finder's table ends. */
  readonly shrink: number;
}

/** What is packed together, and what it is packed by. */
interface QaqInput {
  readonly settings: QaqSettings;
  /** Tensors of the layers, one or all. */
  readonly tensors: readonly CpuTensor[];
  /** Number of the first layer, for messages. */
  readonly firstLayer: number;
  readonly kind: KvKind;
  /** Length of the first snapshot. */
  readonly promptTokens: number;
  /** Attention of each of the layers, when values are given widths by it. */
  readonly attention: readonly AttentionMaxima[] | undefined;
}

function attentionOf(source: Source<CpuTensor>, lastN: number): AttentionMaxima {
  return oncePerLayer(source, `attention ${lastN}`, () => {
    const { queries, keys } = attentionInputs(source);
    return new AttentionMaxima(queries, keys, lastN);
  });
}

/** See the module. `grow` throws at once on non-finite input. */
export class QaqPackedCpu {
  readonly layout: QaqLayout;
  readonly #input: QaqInput;
  readonly #measure: GroupMeasure;
  /** Entries of the token being quantized, or the whole tensor at the head level. */
  readonly #row: FloatRow;
  readonly #restored: Float32Array<ArrayBuffer>;
  readonly #normalCodes: Int32Array;
  readonly #groupCodes: Int32Array;
  readonly #groupPositions: Int32Array;
  readonly #normal = new Map<number, NormalBook>();
  readonly #codes: BitWriter;
  readonly #positions: BitWriter;
  readonly #widths: BitWriter;
  readonly #parameters: Uint32Array<ArrayBuffer>;
  readonly #parameterValues: Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  #values: Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  #exceptions = new Uint32Array(0);
  /** Totals up to and including each token. */
  readonly #totals: QaqTotals[] = [];
  #tokens = 0;

  /**
   * @param sources the layers that are packed together, one or all
   * @param tokens length of the longest snapshot
   */
  constructor(sources: readonly Source<CpuTensor>[], settings: QaqSettings, tokens: number) {
    const [{ layer, kind, promptTokens }] = sources as readonly [Source<CpuTensor>];
    const tensors = sources.map(({ tensor }) => tensor);
    const attention = settings.useAttentions && kind === "value"
      ? sources.map((source) => attentionOf(source, settings.lastNAttentions))
      : undefined;
    this.#input = { settings, tensors, firstLayer: layer, kind, promptTokens, attention };
    const layout = qaqLayout(settings, tensors[0]!, sources.length);
    this.layout = layout;
    const range = qaqRange(settings, tokens);
    const room = range.to - range.from;
    this.#measure = new GroupMeasure(settings, layout);
    // A group inside one head is read where it lies.
    this.#row = settings.level === "head"
      ? new FloatRow(tensors[0]!.data)
      : new FloatRow(new Float32Array(layout.entries));
    this.#restored = new Float32Array(layout.entries);
    this.#normalCodes = new Int32Array(settings.method === "normal" ? layout.groupSize : 0);
    this.#groupCodes = new Int32Array(layout.groupSize);
    this.#groupPositions = new Int32Array(layout.groupSize);
    const most = settings.useAttentions ? settings.bitRange[1] : Math.max(...settings.bits);
    const outliers = room * layout.groups * layout.nominalOutliers;
    this.#codes = new BitWriter((room * layout.entries - outliers) * most);
    this.#positions = new BitWriter(outliers * layout.positionBits);
    this.#widths = new BitWriter(settings.useAttentions ? room * layout.groups * WIDTH_BITS : 0);
    const wide = settings.paramDtype === "f32";
    const parameters = room * layout.groups * (settings.symmetric ? 1 : 2);
    this.#parameters = new Uint32Array(Math.ceil(wide ? parameters : parameters / 2));
    this.#parameterValues = wide
      ? new Float32Array(this.#parameters.buffer)
      : new Float16Array(this.#parameters.buffer);
    this.#values = wide ? new Float32Array(outliers) : new Float16Array(outliers + outliers % 2);
  }

  /** Quantizes what a snapshot of `n` tokens quantizes and is not yet packed. */
  grow(n: number): void {
    const { to } = qaqRange(this.#input.settings, n);
    for (; this.#tokens < to; this.#tokens++) this.#quantizeToken(this.#tokens);
  }

  /** Writes the restored tokens of one of the layers to their positions in `target`. */
  restore(layer: number, target: CpuTensor): void {
    const { heads, headDim, groups, groupSize } = this.layout;
    const from = layer * heads * headDim;
    const to = from + heads * headDim;
    const cursor = { codeBit: 0, outlier: 0, exception: 0 };
    const { data, capacity } = target;
    const row = this.#restored;
    const inPlace = this.#input.settings.level === "head";
    for (let token = 0; token < this.#tokens; token++) {
      for (let group = 0; group < groups; group++) {
        const index = token * groups + group;
        if (inPlace) {
          const at = (group * capacity + token) * headDim;
          this.#restoreGroup(index, cursor, 0, groupSize, data, at);
        } else {
          const at = group * groupSize;
          const first = Math.max(from - at, 0);
          const last = Math.min(to - at, groupSize);
          this.#restoreGroup(index, cursor, first, last, row, at);
        }
      }
      for (let head = 0; !inPlace && head < heads; head++) {
        const at = (head * capacity + token) * headDim;
        const source = from + head * headDim;
        for (let i = 0; i < headDim; i++) data[at + i] = row[source + i]!;
      }
    }
  }

  /** The buffers as they were with a snapshot of `n` tokens. */
  buffers(n: number): readonly StoredBuffer[] {
    return this.#buffersAt(qaqRange(this.#input.settings, n).to);
  }

  #buffersAt(tokens: number): StoredBuffer[] {
    const totals = this.#totals[tokens - 1] ?? NOTHING;
    return qaqBuffers(this.#input.settings, this.layout, tokens, totals);
  }

  /** The buffers themselves, as far as they are in use. */
  contents(): readonly BufferContents[] {
    return usedContents(this.#buffersAt(this.#tokens), {
      codes: this.#codes.words,
      scale_mean: this.#parameters,
      widths: this.#widths.words,
      outlier_values: new Uint32Array(this.#values.buffer),
      outlier_positions: this.#positions.words,
      exceptions: this.#exceptions,
    });
  }

  #quantizeToken(token: number): void {
    const { settings, promptTokens } = this.#input;
    const { groups, groupSize, nominalOutliers, positionBits } = this.layout;
    const moment = momentOf(settings, token, promptTokens);
    const inPlace = settings.level === "head";
    if (!inPlace) this.#gather(token);
    const { headDim } = this.layout;
    const { capacity } = this.#input.tensors[0]!;
    const measure = this.#measure;
    const totals = { ...(this.#totals[token - 1] ?? NOTHING) };
    for (let group = 0; group < groups; group++) {
      const from = inPlace ? (group * capacity + token) * headDim : group * groupSize;
      if (!measure.measure(this.#row, from)) this.#throwNotFinite(token);
      const { outliers, positions } = measure;
      const bits = this.#bitsOf(group, token, moment);
      this.#code(from, bits);
      this.#storeParameters(token * groups + group, bits);
      if (settings.useAttentions) this.#widths.push(bits, WIDTH_BITS);
      this.#positions.write(positions, 0, outliers, positionBits);
      this.#storeValues(totals.outliers, from);
      if (outliers !== nominalOutliers) {
        this.#storeException(totals.exceptions, token * groups + group, outliers);
        totals.exceptions++;
      }
      totals.outliers += outliers;
      if (bits > 0) totals.codes += groupSize - outliers;
      totals.codeBits += (groupSize - outliers) * bits;
    }
    this.#totals.push(totals);
  }

  /** Brings the entries of a token together: layers, heads, channels. */
  #gather(token: number): void {
    const row = this.#row.values;
    let at = 0;
    for (const { data, heads, capacity, headDim } of this.#input.tensors) {
      for (let head = 0; head < heads; head++) {
        let from = (head * capacity + token) * headDim;
        for (const end = from + headDim; from < end; from++) row[at++] = data[from]!;
      }
    }
  }

  #throwNotFinite(token: number): void {
    for (const [layer, tensor] of this.#input.tensors.entries()) {
      const place = { layer: this.#input.firstLayer + layer, kind: this.#input.kind };
      throwNotFinite(place, tensor, token, token + 1);
    }
  }

  /** Width of a group's codes. */
  #bitsOf(group: number, token: number, moment: number): number {
    const { settings, attention } = this.#input;
    const { heads, headDim, groupSize } = this.layout;
    const firstHead = group * groupSize / headDim;
    if (!settings.useAttentions) return settings.bits[firstHead % heads]!;
    if (lacksHistory(settings, token, moment)) return settings.bitRange[1];
    let error = largestError(settings, moment);
    if (settings.kind === "value") {
      let most = 0;
      for (let head = firstHead; head < firstHead + groupSize / headDim; head++) {
        const maxima = attention![Math.floor(head / heads)]!;
        if (moment === this.#input.promptTokens) maxima.prepare(moment);
        most = Math.max(most, maxima.at(head % heads, token, moment));
      }
      error /= most;
    }
    return bitsFor(settings, this.#measure.range, error);
  }

  /** Codes the entries of the group at `from` that are no outliers. */
  #code(from: number, bits: number): void {
    const { mean, range, deviation, outliers, positions } = this.#measure;
    const { groupSize } = this.layout;
    const row = this.#row.values;
    if (this.#input.settings.method === "normal" && bits > 0) {
      const { finder, shrink } = this.#normalBook(bits);
      const codes = this.#normalCodes;
      finder.findRow(row, from, groupSize, mean, deviation === 0 ? 0 : shrink / deviation, codes);
      for (let o = 0, next = 0; o <= outliers; o++) {
        const end = o < outliers ? positions[o]! : groupSize;
        this.#codes.write(codes, next, end, bits);
        next = end + 1;
      }
      return;
    }
    const scale = Math.fround(range / 2 ** bits);
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let o = 0, next = 0; o <= outliers; o++) {
      const end = o < outliers ? positions[o]! : groupSize;
      this.#codes.writeSteps(row, from + next, from + end, mean, inverse, bits);
      next = end + 1;
    }
  }

  #normalBook(bits: number): NormalBook {
    let book = this.#normal.get(bits);
    if (book === undefined) {
      const codes = normalCodes(bits);
      const outermost = codes.bounds.at(-1)!;
      const shrink = outermost > 0 ? 1 / outermost : 1;
      book = { ...codes, shrink, finder: new CodeFinder(codes.bounds.map((b) => b * shrink)) };
      this.#normal.set(bits, book);
    }
    return book;
  }

  #storeParameters(group: number, bits: number): void {
    const { method, symmetric } = this.#input.settings;
    const { mean, range, deviation } = this.#measure;
    const scale = method === "normal" ? deviation : range / 2 ** bits;
    if (symmetric) {
      this.#parameterValues[group] = limited(scale);
    } else {
      this.#parameterValues[2 * group] = limited(scale);
      this.#parameterValues[2 * group + 1] = limited(mean);
    }
  }

  #storeValues(first: number, from: number): void {
    const { outliers, positions } = this.#measure;
    if (first + outliers > this.#values.length) {
      const count = Math.ceil(0.75 * (first + outliers)) * 2;
      const larger = this.#input.settings.paramDtype === "f32"
        ? new Float32Array(count)
        : new Float16Array(count);
      larger.set(this.#values);
      this.#values = larger;
    }
    for (let o = 0; o < outliers; o++) {
      this.#values[first + o] = limited(this.#row.values[from + positions[o]!]!);
    }
  }

  #storeException(index: number, group: number, outliers: number): void {
    if (2 * index + 2 > this.#exceptions.length) {
      const larger = new Uint32Array(2 * (2 * index + 2));
      larger.set(this.#exceptions);
      this.#exceptions = larger;
    }
    this.#exceptions[2 * index] = group;
    this.#exceptions[2 * index + 1] = outliers;
  }

  /** Restores the entries `first .. last - 1` of the group at the cursor, and moves on. */
  #restoreGroup(
    group: number,
    cursor: { codeBit: number; outlier: number; exception: number },
    first: number,
    last: number,
    row: Float32Array,
    at: number,
  ): void {
    const { settings } = this.#input;
    const { groupSize, nominalOutliers, positionBits, heads, headDim, groups } = this.layout;
    const listed = this.#totals.at(-1)!.exceptions;
    let outliers = nominalOutliers;
    if (cursor.exception < listed && this.#exceptions[2 * cursor.exception] === group) {
      outliers = this.#exceptions[2 * cursor.exception + 1]!;
      cursor.exception++;
    }
    let bits: number;
    if (settings.useAttentions) {
      readBits(this.#widths.words, group * WIDTH_BITS, 1, WIDTH_BITS, this.#groupCodes);
      bits = this.#groupCodes[0]!;
    } else {
      bits = settings.bits[(group % groups) * groupSize / headDim % heads]!;
    }
    const positions = this.#groupPositions;
    readBits(
      this.#positions.words,
      cursor.outlier * positionBits,
      outliers,
      positionBits,
      positions,
    );
    let before = 0;
    while (before < outliers && positions[before]! < first) before++;
    let inside = before;
    while (inside < outliers && positions[inside]! < last) inside++;
    const scale = this.#parameterValues[settings.symmetric ? group : 2 * group]!;
    const mean = settings.symmetric ? 0 : this.#parameterValues[2 * group + 1]!;
    const centres = settings.method === "normal" && bits > 0
      ? this.#normalBook(bits).centres
      : undefined;
    let codeBit = cursor.codeBit + (first - before) * bits;
    let entry = first;
    for (let o = before; o <= inside; o++) {
      const end = o < inside ? positions[o]! : last;
      if (centres === undefined) {
        readSteps(this.#codes.words, codeBit, bits, scale, mean, row, at + entry, at + end);
      } else {
        readBits(this.#codes.words, codeBit, end - entry, bits, this.#groupCodes);
        for (let i = 0; i < end - entry; i++) {
          row[at + entry + i] = Math.fround(centres[this.#groupCodes[i]!]! * scale) + mean;
        }
      }
      codeBit += (end - entry) * bits;
      if (o < inside) row[at + end] = this.#values[cursor.outlier + o]!;
      entry = end + 1;
    }
    cursor.outlier += outliers;
    cursor.codeBit += (groupSize - outliers) * bits;
  }
}

const NOTHING: QaqTotals = { codes: 0, codeBits: 0, outliers: 0, exceptions: 0 };

/** What half precision can hold; float32 storage is for tests, whose values are within it. */
function limited(x: number): number {
  return x > HALF_MAX ? HALF_MAX : x < -HALF_MAX ? -HALF_MAX : x;
}
