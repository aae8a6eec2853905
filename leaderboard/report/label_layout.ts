/**
 * Places for the names of points so that none covers another name or a point. Names are placed in
 * the order given, each at the nearest free spot around its point, and then moved once more with all
 * the others in place; one that ends up away from its point gets a leader line.
 *
 * @module
 */

/** A point and the size of its name. */
export interface NamedPoint {
  readonly x: number;
  readonly y: number;
  /** Size of the name's box, px. */
  readonly width: number;
  readonly height: number;
}

/** A rectangle, px. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** A straight line, px. */
export interface Segment {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/** Where a name went. */
export interface Placement {
  readonly box: Box;
  /** From the point to the nearest spot of the box, when it lies away from the point. */
  readonly leader?: Segment;
}

const DISTANCES = [9, 13, 18, 25, 33, 43, 55, 69, 85, 103, 125, 150, 180, 215, 255];
const DIRECTIONS = 24;
/** A leader line is drawn from this distance on, px. */
const LEADER_FROM = 12;
/** Clear space around a point, px. */
const POINT_RADIUS = 6;
const PASSES = 4;

/**
 * Places names.
 *
 * @param points in order of importance; a name that finds no free spot takes the least bad one
 * @param bounds what no name may leave
 * @param obstacles lines that a name had better not lie across
 */
export function placeNames(
  points: readonly NamedPoint[],
  bounds: Box,
  obstacles: readonly Segment[] = [],
): Placement[] {
  const marks = points.map(({ x, y }) => around(x, y, POINT_RADIUS));
  const choices = points.map(candidates);
  const placed: Placement[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    for (let i = 0; i < points.length; i++) {
      const others = placed.filter((_, j) => j !== i);
      const otherMarks = marks.filter((_, j) => j !== i);
      let best: { placement: Placement; badness: number } | undefined;
      for (const placement of choices[i]!) {
        const badness = badnessOf(placement, others, otherMarks, bounds, obstacles);
        if (best === undefined || badness < best.badness) best = { placement, badness };
      }
      placed[i] = best!.placement;
    }
  }
  return placed;
}

/** What is wrong with a placement: overlaps weigh most, then crossed lines, then distance. */
function badnessOf(
  { box, leader }: Placement,
  placed: readonly Placement[],
  marks: readonly Box[],
  bounds: Box,
  obstacles: readonly Segment[],
): number {
  let badness = outside(box, bounds) * 10;
  for (const mark of marks) badness += overlap(box, mark) * 10;
  for (const line of obstacles) badness += crosses(line, box) ? 300 : 0;
  for (const other of placed) {
    badness += overlap(box, other.box) * 10;
    if (other.leader !== undefined) badness += crosses(other.leader, box) ? 400 : 0;
  }
  if (leader === undefined) return badness;
  for (const other of placed) {
    badness += crosses(leader, other.box) ? 400 : 0;
    if (other.leader !== undefined) badness += meet(leader, other.leader) ? 120 : 0;
  }
  for (const mark of marks) badness += crosses(leader, mark) ? 60 : 0;
  for (const line of obstacles) badness += meet(leader, line) ? 80 : 0;
  return badness + Math.hypot(leader.x2 - leader.x1, leader.y2 - leader.y1);
}

function around(x: number, y: number, radius: number): Box {
  return { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius };
}

/** Spots around a point, nearest first; to the right before anything else. */
function candidates(point: NamedPoint): Placement[] {
  return DISTANCES.flatMap((distance) =>
    Array.from({ length: DIRECTIONS }, (_, d) => {
      // 0, +1, -1, +2, -2, ... steps away from the right-hand side.
      const turn = (d % 2 === 0 ? d / 2 : -(d + 1) / 2) * 2 * Math.PI / DIRECTIONS;
      const [dx, dy] = [Math.cos(turn), Math.sin(turn)];
      // The box touches the circle of radius `distance` with its nearest edge or corner.
      const x = point.x + dx * distance;
      const y = point.y + dy * distance;
      const left = x + (Math.abs(dx) < 0.2 ? -0.5 : dx > 0 ? 0 : -1) * point.width;
      const top = y + (Math.abs(dy) < 0.3 ? -0.5 : dy > 0 ? 0 : -1) * point.height;
      const box = { left, top, right: left + point.width, bottom: top + point.height };
      if (distance < LEADER_FROM) return { box };
      const x2 = clamp(point.x, box.left, box.right);
      const y2 = clamp(point.y, box.top + 3, box.bottom - 3);
      return { box, leader: { x1: point.x, y1: point.y, x2, y2 } };
    })
  );
}

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** Area two boxes share, px squared. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/** How far a box sticks out of bounds, in area. */
function outside(box: Box, bounds: Box): number {
  const area = (box.right - box.left) * (box.bottom - box.top);
  return area - overlap(box, bounds);
}

/** Whether a segment runs through a box (Liang and Barsky, 1984). */
function crosses(segment: Segment, box: Box): boolean {
  const dx = segment.x2 - segment.x1;
  const dy = segment.y2 - segment.y1;
  let enter = 0;
  let leave = 1;
  const edges: [number, number][] = [
    [-dx, segment.x1 - box.left],
    [dx, box.right - segment.x1],
    [-dy, segment.y1 - box.top],
    [dy, box.bottom - segment.y1],
  ];
  for (const [step, room] of edges) {
    if (step === 0) {
      if (room < 0) return false;
    } else if (step < 0) enter = Math.max(enter, room / step);
    else leave = Math.min(leave, room / step);
  }
  return enter < leave;
}

/** Whether two segments cross. */
function meet(a: Segment, b: Segment): boolean {
  const side = (s: Segment, x: number, y: number) =>
    Math.sign((s.x2 - s.x1) * (y - s.y1) - (s.y2 - s.y1) * (x - s.x1));
  return side(a, b.x1, b.y1) !== side(a, b.x2, b.y2) &&
    side(b, a.x1, a.y1) !== side(b, a.x2, a.y2);
}
