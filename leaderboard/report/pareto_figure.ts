/**
 * Quality against memory, one chart per model and slice, with the Pareto front.
 *
 * @module
 */
import { type Board, type Place, REFERENCE } from "../board.ts";
import { frontAt } from "../standing.ts";
import { axes } from "./axes.ts";
import { chart, label, line, pathThrough, textWidth } from "./chart.ts";
import { placeNames, type Segment } from "./label_layout.ts";
import { element, type Markup } from "../../report/markup.ts";
import { fixed, points, threeDigits } from "./numbers.ts";
import { lossOrder, type Tick, transformed } from "./scale.ts";

const WIDTH = 620;
const HEIGHT = 520;
const PLOT = { left: 62, top: 34, right: WIDTH - 14, bottom: HEIGHT - 48 };
const NAME_SIZE = 11;

const QUALITIES: readonly Tick[] = [100, 99, 90, 0, 99.9, 95, 50, 80, 99.5, 98, 70]
  .map((value) => ({ value, text: String(value) }));

interface Point {
  readonly policy: string;
  readonly memory: number;
  readonly quality: number;
  readonly onFront: boolean;
}

/** The charts of every place, the models of a slice side by side. */
export function paretoCharts(board: Board): Markup[] {
  return board.slices.flatMap((slice) => board.models.map((model) => ({ model, slice })))
    .filter((place) => board.cellsAt(place).length > 0)
    .map((place, i) => paretoChart(board, place, `chart-pareto-${i + 1}`));
}

function paretoChart(board: Board, place: Place, id: string): Markup {
  const front = frontAt(board, place);
  const all: Point[] = board.cellsAt(place).map(({ key, numbers }) => ({
    policy: key.policy,
    memory: numbers.peak_kv_memory_mb,
    quality: numbers.quality_main,
    onFront: front.includes(key.policy),
  }));
  const memories = all.map((p) => p.memory);
  const domain = [Math.min(...memories) * 0.78, Math.max(...memories) * 1.15] as const;
  const x = transformed(Math.log10, domain, [PLOT.left, PLOT.right]);
  const floor = lossFloor(Math.min(99, ...all.map((p) => p.quality)));
  const y = transformed(lossOrder, [floor, 100], [PLOT.bottom - 14, PLOT.top + 16]);
  const at = (p: Point) => [x(p.memory), y(p.quality)] as const;

  const ordered = all.toSorted((a, b) =>
    Number(b.onFront) - Number(a.onFront) || b.quality - a.quality
  );
  const frontPoints = ordered.filter((p) => p.onFront).toSorted((a, b) => a.memory - b.memory);
  const stairs = staircase(frontPoints.map(at));
  const places = placeNames(
    ordered.map((p) => ({
      x: x(p.memory),
      y: y(p.quality),
      width: textWidth(p.policy, NAME_SIZE) + (p.onFront ? 8 : 4),
      height: NAME_SIZE + 3,
    })),
    { left: PLOT.left + 2, top: PLOT.top - 4, right: PLOT.right, bottom: PLOT.bottom - 2 },
    segments(stairs),
  );
  return chart(
    {
      id,
      title: `${place.slice} on ${place.model}: quality against memory`,
      description:
        `Peak size of the KV cache in MiB (log scale) and quality_main (spread towards ` +
        `100) of ${all.length} policies. On the Pareto front, by rising memory: ${
          frontPoints.map((p) => `${p.policy} (${threeDigits(p.memory)} MiB, ${points(p.quality)})`)
            .join(", ")
        }.`,
      width: WIDTH,
      height: HEIGHT,
    },
    label(PLOT.left, 17, `${place.slice} · ${place.model}`, { class: "chart-title" }),
    axes(
      PLOT,
      { title: "peak KV memory (MiB, log scale)", scale: x, domain },
      {
        title: "quality_main (0 to 100, spread towards 100)",
        scale: y,
        ticks: QUALITIES.filter((t) => t.value >= floor),
      },
    ),
    element("path", { d: pathThrough(stairs), class: "front-line" }),
    places.map(({ leader }) =>
      leader && line(leader.x1, leader.y1, leader.x2, leader.y2, "leader")
    ),
    ordered.toReversed().map((p) => mark(p, ...at(p))),
    ordered.map((p, i) => {
      const { box } = places[i]!;
      return label((box.left + box.right) / 2, box.bottom - 4, p.policy, {
        anchor: "middle",
        class: p.onFront ? "name front-name" : "name",
      });
    }),
  );
}

/** Lower end of the quality axis: a round number below the lowest point. */
function lossFloor(lowest: number): number {
  return [98, 95, 90, 80, 50, 0].find((q) => q < lowest - (100 - lowest) * 0.1) ?? 0;
}

function mark(p: Point, cx: number, cy: number): Markup {
  return element(
    "circle",
    {
      cx,
      cy,
      r: p.onFront ? 5 : 4,
      class: p.onFront ? "mark front-mark" : "mark beaten-mark",
      "data-policy": p.policy,
    },
    element(
      "title",
      {},
      `${p.policy}: quality_main ${points(p.quality)}, ${fixed(p.memory, 3)} MiB` +
        (p.onFront ? ", on the front" : "") +
        (p.policy === REFERENCE ? ", full precision" : ""),
    ),
  );
}

type Corner = readonly [number, number];

/** The best quality that each memory buys: flat to the next point, then up. */
function staircase(front: readonly Corner[]): Corner[] {
  return front.flatMap(([x, y], i): Corner[] => {
    const before = front[i - 1];
    return before === undefined ? [[x, y]] : [[x, before[1]], [x, y]];
  });
}

function segments(corners: readonly Corner[]): Segment[] {
  return corners.slice(1).map(([x2, y2], i) => ({
    x1: corners[i]![0],
    y1: corners[i]![1],
    x2,
    y2,
  }));
}
