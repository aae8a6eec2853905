/**
 * What `kvtc` learns of the layers that are coded together: mean and principal components of their
 * channels, keys before RoPE, and the blocks that components are stored in.
 *
 * @module
 */
import type { Calibration, KeptSamples } from "../../calibration.ts";
import type { KvKind } from "../../family.ts";
import { LearnedOnce } from "../../learned_once.ts";
import { centre } from "../../numerics/centre.ts";
import { evenRows } from "../../numerics/even_rows.ts";
import { multiplyRows } from "../../numerics/multiply_rows.ts";
import { principalAxes } from "../../numerics/principal_axes.ts";
import { secondMoment } from "../../numerics/second_moment.ts";
import { finiteHalf } from "../../packing/half.ts";
import { sampleRows } from "../../sample_rows.ts";
import { allocateBlocks, type BlockErrors, blockErrors } from "./allocate_blocks.ts";
import { storedComponents } from "./component_blocks.ts";
import { type KvtcSettings, layersTogether } from "./kvtc_settings.ts";

/** Tokens on which blocks are compared. */
const COMPARED_TOKENS = 192;

/** Of some layers, whatever they are compressed to. */
interface LayersLearned {
  readonly mean: Float32Array<ArrayBuffer>;
  /** `[component][channel]` */
  readonly axes: Float64Array;
  readonly errors: BlockErrors;
  /** By how much they are compressed. */
  readonly calibrations: Map<number, Calibration>;
}

const known = new LearnedOnce<LayersLearned>();

/** Learns what settings ask for. */
export function learnKvtc(samples: KeptSamples, settings: KvtcSettings): Calibration {
  const { kind, sinkTokens, compression } = settings;
  const { from, to } = layersTogether(settings);
  const key = `${from} ${to} ${kind} ${sinkTokens}`;
  const learned = known.get(
    samples,
    key,
    () => learnLayers(samples, from, to, kind, sinkTokens),
  );
  // Layers that are coded together learn the same.
  let calibration = learned.calibrations.get(compression);
  if (calibration === undefined) {
    learned.calibrations.set(compression, calibration = compressed(learned, compression));
  }
  return calibration;
}

function compressed({ mean, axes, errors }: LayersLearned, compression: number): Calibration {
  const blocks = allocateBlocks(errors, Math.floor(16 * mean.length / compression / 8));
  const stored = storedComponents(blocks);
  return {
    mean,
    axes: Float16Array.from(axes.subarray(0, stored * mean.length)),
    blocks: Int32Array.from(blocks.flatMap(({ size, bits }) => [size, bits])),
  };
}

function learnLayers(
  samples: KeptSamples,
  from: number,
  to: number,
  kind: KvKind,
  sinkTokens: number,
): LayersLearned {
  const { data, channels } = sampleRows(samples, from, to, kind, sinkTokens);
  const mean = centre(data, channels);
  const plain = new Float64Array(channels).fill(1);
  const { forward: axes } = principalAxes(secondMoment(data, channels), plain, channels);
  const compared = evenRows(data, channels, COMPARED_TOKENS);
  const components = new Float64Array(compared.length);
  multiplyRows(compared, compared.length / channels, axes, channels, channels, components);
  const errors = blockErrors(Float32Array.from(components, finiteHalf), channels);
  return { mean: Float32Array.from(mean), axes, errors, calibrations: new Map() };
}
