/**
 * What a pack of `kvtc` is made with, read out of the settings, and the buffers that it declares.
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type { BufferContents, ConstantBuffer, StoredBuffer } from "../../family.ts";
import type { DeflatedRows } from "../../packing/deflated_rows.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { type ComponentBlock, rowBytes, storedComponents } from "./component_blocks.ts";
import type { KvtcSettings } from "./kvtc_settings.ts";

/** Constants of a model that the layers of a pack share. */
export interface KvtcLayout {
  readonly layers: number;
  /** Entries of a token, over all layers. */
  readonly channels: number;
  readonly blocks: readonly ComponentBlock[];
  /** Components that are stored of a token, and their bytes. */
  readonly stored: number;
  readonly rowBytes: number;
  readonly mean: Float32Array<ArrayBuffer>;
  /** `[stored][channels]` */
  readonly axes: Float16Array<ArrayBuffer>;
}

/** The layout of `layers` layers that are coded together. */
export function kvtcLayout(settings: KvtcSettings, layers: number): KvtcLayout {
  const channels = layers * settings.heads * settings.headDim;
  const mean = calibrated(settings, "mean", Float32Array, channels);
  const table = settings.calibration!.blocks;
  if (!(table instanceof Int32Array)) {
    throw new QuantizerError(
      `Layer ${settings.layer} ${settings.kind}s: the calibration of family "kvtc" has no blocks; ` +
        `calibrate again`,
    );
  }
  const blocks = Array.from(
    { length: table.length / 2 },
    (_, i): ComponentBlock => ({ size: table[2 * i]!, bits: table[2 * i + 1]! }),
  );
  const stored = storedComponents(blocks);
  const axes = calibrated(settings, "axes", Float16Array, stored * channels);
  return { layers, channels, blocks, stored, rowBytes: rowBytes(blocks), mean, axes };
}

/** The constants of a pack. */
export function kvtcConstants(settings: KvtcSettings): ConstantBuffer[] {
  return Object.entries(settings.calibration!).map(([role, memory]) => ({ role, memory }));
}

/** The buffers of a pack with so many tokens. */
export function kvtcBuffers(
  { channels }: KvtcLayout,
  rows: DeflatedRows,
  tokens: number,
): StoredBuffer[] {
  const bytes = rows.bytesOf(tokens);
  const codes = tokens * channels;
  // A stream has no width: its mean stands for it.
  const bits = [codes === 0 ? 0 : 8 * bytes / codes];
  return [{ role: "stream", bytes: 4 * Math.ceil(bytes / 4), bits, codes: [codes] }];
}

/** The stream in words. */
export function kvtcContents(rows: DeflatedRows): BufferContents[] {
  const stream = rows.stream();
  const words = new Uint32Array(Math.ceil(stream.length / 4));
  new Uint8Array(words.buffer).set(stream);
  return [{ role: "stream", words }];
}
