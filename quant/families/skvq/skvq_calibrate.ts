/**
 * What `skvq` learns offline: which channels are alike, and factors that even them out.
 *
 * cat538/SKVQ, calibration.py, get_reorder_indices (metric "minmax") and get_smooth_factor (alpha 1).
 *
 * @module
 */
import { calibrated } from "../../calibrated.ts";
import type {
  Calibration,
  CalibrationArray,
  ChannelRanges,
  KeptSamples,
} from "../../calibration.ts";
import { QuantizerError } from "../../quantizer_error.ts";
import { kmeans } from "../../numerics/kmeans.ts";
import { placeName } from "../../setting_checks.ts";
import type { ChannelOrder, SkvqSettings } from "./skvq_settings.ts";

/** Restarts of the clustering (get_reorder_indices, n_init). */
const STARTS = 10;
/** Iterations at most (the default of scikit-learn's KMeans). */
const ITERATIONS = 300;
const SEED = 0;
/** Smallest magnitude that a factor evens out (get_smooth_factor). */
const SMALLEST = 1e-5;

/** Clusters channels by their ranges: `order` and `starts` of a `ChannelOrder`. */
export function clusterChannels(
  ranges: readonly (readonly [number, number])[],
  groups: number,
): { order: Int32Array<ArrayBuffer>; starts: Int32Array<ArrayBuffer> } {
  const { labels } = kmeans(ranges, groups, { starts: STARTS, iterations: ITERATIONS, seed: SEED });
  const order = Int32Array.from(labels, (_, channel) => channel);
  order.sort((a, b) => labels[a]! - labels[b]! || a - b);
  const starts = new Int32Array(groups + 1);
  for (const label of labels) starts[label + 1]!++;
  for (let group = 0; group < groups; group++) starts[group + 1]! += starts[group]!;
  return { order, starts };
}

/** Learns `order` and `starts` for settings that reorder, `factors` for those that smooth. */
export function calibrateSkvq(samples: KeptSamples, settings: SkvqSettings): Calibration {
  const layer = samples.layers[settings.layer];
  if (layer === undefined) {
    throw new QuantizerError(
      `${placeName(settings)}: the calibration samples have ${samples.layers.length} layers`,
    );
  }
  const keys = settings.preRope ? "preRopeKeys" : "keys";
  let ranges = channelRanges(layer.ranges[settings.kind === "key" ? keys : "values"]);
  const learned: Record<string, CalibrationArray> = {};
  if (settings.smoothing) {
    const factors = Float32Array.from(
      ranges,
      ([low, high]) => 1 / Math.max(SMALLEST, -low, high),
    );
    learned["factors"] = factors;
    ranges = ranges.map(([low, high], i) => [low * factors[i]!, high * factors[i]!]);
  }
  if (settings.reorder) {
    Object.assign(learned, clusterChannels(ranges, settings.groups));
  }
  return learned;
}

/** Smallest and largest entry of every channel, as points to be clustered. */
export function channelRanges({ low, high }: ChannelRanges): [number, number][] {
  return Array.from(low, (from, channel): [number, number] => [from, high[channel]!]);
}

/** The arrangement that settings and their calibration give `channels` channels. */
export function channelOrder(settings: SkvqSettings, channels: number): ChannelOrder {
  const { groupSize, groups } = settings;
  const order = settings.reorder
    ? calibrated(settings, "order", Int32Array, channels)
    : Int32Array.from({ length: channels }, (_, i) => i);
  const starts = settings.reorder
    ? calibrated(settings, "starts", Int32Array, groups + 1)
    : Int32Array.from({ length: groups + 1 }, (_, i) => i * groupSize);
  const factors = settings.smoothing
    ? calibrated(settings, "factors", Float32Array, channels)
    : new Float32Array(channels).fill(1);
  checkOrder(settings, order, starts);
  return { order, starts, factors };
}

/** A calibration that was loaded from a file may be anything. */
function checkOrder(settings: SkvqSettings, order: Int32Array, starts: Int32Array): void {
  const seen = new Uint8Array(order.length);
  for (const channel of order) if (channel >= 0 && channel < order.length) seen[channel] = 1;
  const ascending = starts.every((start, i) => i === 0 ? start === 0 : start >= starts[i - 1]!);
  if (seen.every((x) => x === 1) && ascending && starts.at(-1) === order.length) return;
  throw new QuantizerError(
    `${placeName(settings)}: the calibrated channel order does not name every channel once`,
  );
}
