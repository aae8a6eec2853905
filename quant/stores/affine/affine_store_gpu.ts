/**
 * The packed cache of an affine family in GPU buffers, laid out as on the CPU.
 *
 * @module
 */
import columnRestore from "./column_restore.wgsl" with { type: "text" };
import group from "./group.wgsl" with { type: "text" };
import groupQuantize from "./group_quantize.wgsl" with { type: "text" };
import groupRestore from "./group_restore.wgsl" with { type: "text" };
import rowRestore from "./row_restore.wgsl" with { type: "text" };
import streamGroups from "./stream_groups.wgsl" with { type: "text" };
import streamPlaces from "./stream_places.wgsl" with { type: "text" };
import streamValues from "./stream_values.wgsl" with { type: "text" };
import streamRestore from "../stream/stream_restore.wgsl" with { type: "text" };
import loadParameters from "../../packing/load_parameters.wgsl" with { type: "text" };
import pack from "../../packing/pack.wgsl" with { type: "text" };
import storeParameters from "../../packing/store_parameters.wgsl" with { type: "text" };
import { columnQuantize, MOST_IN_REGISTERS } from "./column_quantize.ts";
import { affineLayout, affineRange, type AffineSettings } from "./affine_settings.ts";
import type { BufferContents, Source, StoredBuffer } from "../../family.ts";
import { groupPlaces, headsAlike } from "./group_places.ts";
import { GrowingStore } from "../../gpu/growing_store.ts";
import { Kernels } from "../../gpu/kernels.ts";
import type { Band, GroupLayout } from "./group_layout.ts";
import { PARAMETER_TYPES, parameterWords } from "../../packing/parameters.ts";
import { quantizesStream, streamEntries, streamQuantize } from "../stream/stream_quantize.ts";
import { storedBuffers } from "./stored_buffers.ts";
import type { GpuTensor } from "../../tensor.ts";

/** Codes that one invocation quantizes: the fewest whole groups that fill whole words. */
function chunkCodes(band: Band, groupSize: number): number {
  const groups = band.rowCodes / groupSize;
  for (let chunk = 1; chunk < groups; chunk++) {
    if (groups % chunk === 0 && (chunk * groupSize * band.bits) % 32 === 0) {
      return chunk * groupSize;
    }
  }
  return band.rowCodes;
}

/** The bands as the kernels read them, and the chunks of a unit. */
function bandTable({ bands, groupSize }: GroupLayout) {
  let chunks = 0;
  const table = bands.map((band) => {
    const codes = chunkCodes(band, groupSize);
    const first = chunks;
    chunks += band.rows * band.rowCodes / codes;
    return {
      first_head: band.firstHead,
      heads: band.heads,
      bits: band.bits,
      top_code: band.topCode,
      row_words: band.rowWords,
      word_offset: band.wordOffset,
      group_offset: band.groupOffset,
      chunk_codes: codes,
      first_chunk: first,
    };
  });
  return { table, chunks };
}

/** Whether codes are quotients, rounded once: not where every operation is. */
function areQuotients({ arithmetic }: AffineSettings): boolean {
  return arithmetic !== "f16";
}

/**
 * The fastest kernels that a layout allows. What is unusual, such as heads of different widths or groups
 * that reach from one head into the next, is left to kernels that take any layout.
 */
function kernelTexts(layout: GroupLayout, heads: number, quotients: boolean): {
  readonly quantize: "quantize" | "quantize_stream" | "quantize_columns";
  readonly restore: "restore" | "restore_rows" | "restore_stream" | "restore_columns";
  readonly texts: Readonly<Record<"quantize" | "restore", string>>;
} {
  const { axis, groupSize, headDim, unitTokens, bands } = layout;
  const [{ bits }] = bands as [Band];
  const alike = headsAlike(layout);
  const places = groupPlaces(layout, heads);
  if (axis === "channel") {
    const inRegisters = alike && groupSize <= MOST_IN_REGISTERS;
    const inEights = unitTokens % 8 === 0;
    return {
      quantize: inRegisters ? "quantize_columns" : "quantize",
      restore: inEights ? "restore_columns" : "restore",
      texts: {
        quantize: inRegisters ? places + columnQuantize(groupSize, bits) : groupQuantize,
        restore: inEights ? places + columnRestore : groupRestore,
      },
    };
  }
  const inFours = groupSize % 4 === 0 && headDim % 4 === 0;
  const isStream = alike && bands.every((band) => band.rowCodes * bits % 32 === 0);
  const stream = places + streamPlaces;
  const codes = { groupSize, bits, quotients };
  const inStream = isStream && heads * headDim % streamEntries(codes) === 0 &&
    quantizesStream(codes, headDim);
  const restored = isStream
    ? { restore: "restore_stream", text: stream + streamValues + streamRestore } as const
    : { restore: "restore_rows", text: places + rowRestore } as const;
  return {
    quantize: inStream ? "quantize_stream" : "quantize",
    restore: inFours ? restored.restore : "restore",
    texts: {
      quantize: inStream ? stream + streamGroups + streamQuantize(codes) : groupQuantize,
      restore: inFours ? restored.text : groupRestore,
    },
  };
}

/** Store of an affine family over GPU tensors; `settle` throws on non-finite input. */
export class AffineStoreGpu extends GrowingStore<AffineSettings, "codes" | "scale_zero" | "bands"> {
  /** Where codes and parameters lie in the buffers. */
  readonly layout: GroupLayout;
  readonly #quantize: Kernels;
  readonly #restore: Kernels;
  readonly #entryPoints: Pick<ReturnType<typeof kernelTexts>, "quantize" | "restore">;
  readonly #unitChunks: number;

  /**
   * Opens an empty store with room for a snapshot of `tokens` tokens.
   *
   * @param arithmetic WGSL of the family: `scale_zero`, `code_of`, `value_of`
   */
  constructor(
    device: GPUDevice,
    source: Source<GpuTensor>,
    settings: AffineSettings,
    tokens: number,
    arithmetic: string,
  ) {
    const layout = affineLayout(settings, source.tensor.headDim);
    const { from, to } = affineRange(settings, tokens);
    const units = (to - from) / layout.unitTokens;
    const { table, chunks } = bandTable(layout);
    const kernels = (...texts: string[]) =>
      Kernels.of(device, settings.family, [pack, group, arithmetic, ...texts], {
        channel_axis: settings.axis === "channel",
        half_arithmetic: settings.arithmetic === "f16",
        parameter_type: PARAMETER_TYPES[settings.paramDtype],
      });
    const { texts, ...entryPoints } = kernelTexts(
      layout,
      source.tensor.heads,
      areQuotients(settings),
    );
    const quantize = kernels(storeParameters, texts.quantize);
    super(device, source, settings, affineRange, {
      codes: units * layout.unitWords,
      scale_zero: parameterWords(settings.paramDtype, units * layout.unitGroups),
      bands: quantize.contents("bands", table),
    });
    this.layout = layout;
    this.#quantize = quantize;
    this.#restore = kernels(loadParameters, texts.restore);
    this.#entryPoints = entryPoints;
    this.#unitChunks = chunks;
  }

  restore(target: GpuTensor): void {
    const units = this.tokens / this.layout.unitTokens;
    const { restore } = this.#entryPoints;
    const entries = target.heads * this.tokens * target.headDim;
    const threads = {
      restore: entries,
      restore_rows: entries / 4,
      restore_stream: entries / 8,
      restore_columns: entries / 8,
    };
    this.run(this.#restore, restore, { threads: threads[restore] }, {
      ...this.#bindings(target, 0, units),
      restored: target.buffer,
    });
  }

  buffers(n: number): readonly StoredBuffer[] {
    return storedBuffers(this.settings, this.layout, affineRange(this.settings, n));
  }

  contents(): Promise<readonly BufferContents[]> {
    return this.whole("codes", "scale_zero");
  }

  protected quantize(first: number, tokens: number): void {
    const { unitTokens } = this.layout;
    const units = tokens / unitTokens;
    const { tensor } = this.source;
    const { quantize } = this.#entryPoints;
    const { heads, headDim } = tensor;
    const threads = {
      quantize: units * this.#unitChunks,
      quantize_stream: units * heads * headDim /
        streamEntries({
          groupSize: this.layout.groupSize,
          bits: this.settings.bits[0]!,
          quotients: areQuotients(this.settings),
        }),
      quantize_columns: units * heads * headDim,
    };
    this.run(this.#quantize, quantize, { threads: threads[quantize] }, {
      ...this.#bindings(tensor, first / unitTokens, units),
      source: tensor.buffer,
    });
  }

  /** What both kernels read, to go over `units` units of a tensor. */
  #bindings(tensor: GpuTensor, firstUnit: number, units: number) {
    const { groupSize, unitTokens, unitWords, unitGroups, bands } = this.layout;
    return {
      job: {
        heads: tensor.heads,
        head_dim: tensor.headDim,
        capacity: tensor.capacity,
        from_token: this.quantized.from,
        group_size: groupSize,
        unit_tokens: unitTokens,
        unit_words: unitWords,
        unit_groups: unitGroups,
        unit_chunks: this.#unitChunks,
        bands: bands.length,
        first_unit: firstUnit,
        units,
        clip_ratio: this.settings.clipRatio,
        scale_floor: this.settings.scaleFloor,
      },
      parameters: this.memory.scale_zero,
    };
  }
}
