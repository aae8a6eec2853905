/**
 * The rooms of the house, from the ground up, and who may import whom.
 *
 * @module
 */
import type { Import } from "./module_graph.ts";

/** What a room may import, beside itself. */
export interface Room {
  /** Rooms whatever of which may be imported. */
  readonly imports?: readonly string[];
  /** Rooms that only types may be imported of. */
  readonly types?: readonly string[];
}

/** Rooms by name, in order: a row names rooms above it only. A folder of the project, or a file in its root. */
export type Rooms = Readonly<Record<string, Room>>;

/** The one table of what is allowed. Everybody may import `EVERYBODYS`, and nobody what is not in it. */
export const rooms: Rooms = {
  "deno.json": {},
  "errors.ts": {},
  "duplicate_key.ts": {},
  std: {},
  files: {},
  benchmarks: {},
  quant: {},
  sandbox: {},
  policies: { imports: ["quant", "sandbox"] },
  codecs: { imports: ["quant", "sandbox", "policies"] },
  engine: { imports: ["files", "quant"] },
  calibration: { imports: ["files", "quant", "policies", "engine"] },
  replay: { imports: ["quant", "sandbox", "policies", "engine"] },
  evaluation: {
    imports: [
      ...["files", "benchmarks", "quant", "sandbox", "policies", "engine", "calibration", "replay"],
    ],
  },
  stats: { imports: ["quant", "replay"] },
  report: { imports: ["files", "quant", "stats"], types: ["replay", "evaluation"] },
  search: {
    imports: [
      ...["benchmarks", "quant", "policies", "engine", "calibration", "replay", "evaluation"],
      ...["stats", "report"],
    ],
  },
  leaderboard: {
    imports: [
      ...["benchmarks", "quant", "policies", "engine", "calibration", "replay", "evaluation"],
      ...["stats", "report", "deno.json"],
    ],
  },
  advice: {
    imports: [
      ...["quant", "policies", "evaluation", "stats", "report", "leaderboard"],
    ],
  },
  sweep: {
    imports: [
      ...["benchmarks", "sandbox", "policies", "engine", "calibration", "evaluation", "report"],
      "leaderboard",
    ],
  },
  serve: { imports: ["report", "leaderboard", "sweep"] },
  cli: {
    imports: [
      ...[
        "files",
        "benchmarks",
        "quant",
        "sandbox",
        "policies",
        "codecs",
        "engine",
        "calibration",
        "replay",
        "evaluation",
      ],
      ...["stats", "report", "search", "leaderboard", "advice", "sweep", "serve", "deno.json"],
    ],
  },
  "mod.ts": {
    imports: [
      ...["benchmarks", "quant", "policies", "engine", "calibration", "replay", "evaluation"],
      ...["report"],
    ],
  },
  "cli.ts": { imports: ["cli", "sandbox", "policies", "codecs", "evaluation"] },
};

/** Rooms that everybody may import. */
export const EVERYBODYS: readonly string[] = ["errors.ts", "duplicate_key.ts"];

/** Rooms that may import everything and that nobody else imports. */
export const WORKSHOPS: readonly string[] = ["bench", "tests", "tools"];

/** The room a file is in: its folder in the root, or the file itself. */
export function roomOf(path: string): string {
  return path.split("/", 1)[0]!;
}

/** What is wrong with the imports of a project, a sentence each. */
export function wrongArrows(imports: readonly Import[], table: Rooms = rooms): string[] {
  const wrong: string[] = [];
  for (const { from, to, typesOnly } of imports) {
    const [room, other] = [roomOf(from), roomOf(to)];
    if (room === other || WORKSHOPS.includes(room)) continue;
    const row = table[room];
    if (row === undefined) {
      wrong.push(`${from} is in no room of tools/gates/rooms.ts, and imports ${to}`);
      continue;
    }
    const { imports: allowed = [], types = [] } = row;
    if ([...allowed, ...EVERYBODYS].includes(other) || (typesOnly && types.includes(other))) {
      continue;
    }
    const may = allowed.length === 0 ? "nobody" : allowed.join(", ");
    const mayTypes = types.length === 0 ? "" : `, and types of ${types.join(", ")}`;
    wrong.push(`${from} imports ${to}, but ${room} may import ${may}${mayTypes}`);
  }
  return wrong;
}

/** Rows that name a room that is not above them, a sentence each. */
export function upwardRows(table: Rooms = rooms): string[] {
  const above = new Set<string>();
  const wrong: string[] = [];
  for (const [name, { imports = [], types = [] }] of Object.entries(table)) {
    for (const other of [...imports, ...types]) {
      if (!above.has(other)) wrong.push(`The row of ${name} names ${other}, which is not above it`);
    }
    above.add(name);
  }
  return wrong;
}
