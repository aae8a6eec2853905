/**
 * Measures what a replay costs while one thing after the other grows: each point in a process of its
 * own (point.ts).
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { InternalError } from "../../errors.ts";
import { tell } from "../../report/terminal.ts";
import type { Point, PointCost } from "./point.ts";

/** Powers of two from one number to another. */
function doublings(from: number, to: number): number[] {
  return Array.from({ length: Math.log2(to / from) + 1 }, (_, i) => from * 2 ** i);
}

/** What is varied, one at a time; the others are as in `COMMON`. */
const VARIED = {
  prompt: { name: "prompt tokens", values: doublings(256, 32768) },
  steps: { name: "steps", values: doublings(4, 512), leaves: "prefill" },
  policies: { name: "policies", values: doublings(1, 64), leaves: "prefill" },
  layers: { name: "layers", values: doublings(4, 32) },
} as const satisfies Record<
  keyof Point,
  { name: string; values: readonly number[]; leaves?: keyof PointCost }
>;

const COMMON: Point = { prompt: 1024, steps: 16, policies: 1, layers: 4 };

/** What is measured, in the order in which it is told. */
const COSTS = ["replay", "prefill", "memory"] as const satisfies readonly (keyof PointCost)[];

/** What grows, and how. */
export interface Growth {
  readonly varied: keyof Point;
  readonly name: string;
  /** What may grow with it. */
  readonly costs: readonly (keyof PointCost)[];
  readonly points: readonly { readonly at: number; readonly cost: PointCost }[];
}

/** Measures everything; tells what it is at. */
export async function measureGrowth(): Promise<readonly Growth[]> {
  const all: Growth[] = [];
  for (const [key, fields] of Object.entries(VARIED)) {
    const varied = key as keyof Point;
    const { name, values } = fields;
    const costs = COSTS.filter((cost) => !("leaves" in fields) || cost !== fields.leaves);
    const points = [];
    for (const at of values) {
      tell(`${at} ${name}`);
      points.push({ at, cost: await measured({ ...COMMON, [varied]: at }) });
    }
    all.push({ varied, name, costs, points });
  }
  return all;
}

async function measured({ prompt, steps, policies, layers }: Point): Promise<PointCost> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "-P=bench"],
      ...["--config", fileURLToPath(new URL("../../deno.json", import.meta.url))],
      fileURLToPath(new URL("point.ts", import.meta.url)),
      ...[prompt, steps, policies, layers].map(String),
    ],
  }).output();
  if (code !== 0) {
    throw new InternalError(
      `The process that measures a point ended with ${code}: ${new TextDecoder().decode(stderr)}`,
    );
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}
