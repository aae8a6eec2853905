/**
 * A run as `--out` kept it, read back.
 *
 * @module
 */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { PolicyExamples } from "../stats/compare.ts";
import type { ScoredExample } from "../stats/example_totals.ts";

/** One example of a policy. */
export interface SavedExample extends ScoredExample {
  /** Score of the reference's reply, 0..1. */
  readonly referenceScore: number;
  readonly reply: string;
  readonly referenceReply: string;
  /** The reply from the policy's own cache, where it was asked for. */
  readonly generated?: string;
}

/** One policy on one slice. */
export interface SavedPolicy extends PolicyExamples {
  readonly examples: readonly SavedExample[];
}

/** One slice of a run. */
export interface SavedSlice {
  readonly slice: string;
  readonly policies: readonly SavedPolicy[];
}

/** A run of the replay commands. */
export interface SavedRun {
  /** What decided its numbers beside the policies: model, device, seed, by the names of the file. */
  readonly described: Readonly<Record<string, unknown>>;
  readonly slices: readonly SavedSlice[];
}

/**
 * Reads `metrics.json` and `steps.jsonl` of a folder.
 *
 * @throws {UserError} for a folder without them, and naming file and place of what is no run's
 */
export async function readSavedRun(folder: string): Promise<SavedRun> {
  const [metrics, steps] = await Promise.all([
    textIn(folder, "metrics.json"),
    textIn(folder, "steps.jsonl"),
  ]);
  return savedRun(metrics, steps, folder);
}

/**
 * The same of the files' texts.
 *
 * @param folder their folder, for errors
 * @throws {UserError} naming file and place of what is no run's
 */
export function savedRun(metrics: string, steps: string, folder: string): SavedRun {
  const where = join(folder, "metrics.json");
  const root = new Place(parsed(metrics, where), where);
  const { slices, ...described } = root.record();
  const stepsOf = readSteps(steps, join(folder, "steps.jsonl"));
  return {
    described,
    slices: root.at("slices", slices).list().map((place) => {
      const { slice, policies } = place.record();
      const name = place.at("slice", slice).text();
      return {
        slice: name,
        policies: place.at("policies", policies).list().map((place) => {
          const { policy: told, examples } = place.record();
          const policy = place.at("policy", told).text();
          return {
            policy,
            examples: place.at("examples", examples).list().map((place) =>
              exampleAt(place, (id) => stepsOf.get(stepKey(name, policy, id)))
            ),
          };
        }),
      };
    }),
  };
}

type Step = ScoredExample["steps"][number];

function exampleAt(place: Place, stepsOf: (id: string) => Step[] | undefined): SavedExample {
  const fields = place.record();
  const text = (name: string) => place.at(name, fields[name]).text();
  const score = (name: string) => place.at(name, fields[name]).number() / 100;
  const id = text("id");
  const steps = stepsOf(id);
  if (steps === undefined) throw place.wrong(`has no line in steps.jsonl; expected one a step`);
  return {
    id,
    score: score("task_score"),
    referenceScore: score("task_score_ref"),
    reply: text("reply"),
    referenceReply: text("reply_ref"),
    ...(fields.generated === undefined ? {} : { generated: text("generated") }),
    steps,
  };
}

function stepKey(slice: string, policy: string, example: string): string {
  return JSON.stringify([slice, policy, example]);
}

/** Steps by slice, policy and example. */
function readSteps(text: string, where: string): Map<string, Step[]> {
  const steps = new Map<string, Step[]>();
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const place = new Place(parsed(line, `${where}:${i + 1}`), `${where}:${i + 1}`);
    const fields = place.record();
    const key = stepKey(
      ...(["slice", "policy", "example"] as const).map((name) =>
        place.at(name, fields[name]).text()
      ) as [string, string, string],
    );
    const number = (name: string) => place.at(name, fields[name]).number();
    const step = {
      token: number("replayed_token"),
      referenceToken: number("reference_token"),
      kl: number("kl"),
      squaredError: number("cache_error") ** 2,
    };
    const known = steps.get(key);
    if (known === undefined) steps.set(key, [step]);
    else known.push(step);
  }
  return steps;
}

/** A value and where it stands. */
class Place {
  constructor(private readonly value: unknown, private readonly where: string) {}

  at(name: string | number, value: unknown): Place {
    return new Place(value, `${this.where}, ${name}`);
  }

  wrong(what: string): UserError {
    return new UserError(`${this.where} ${what}`);
  }

  record(): Readonly<Record<string, unknown>> {
    if (Object(this.value) === this.value && !Array.isArray(this.value)) {
      return this.value as Record<string, unknown>;
    }
    throw this.wrong("is no object; expected what a run with --out writes");
  }

  list(): Place[] {
    if (!Array.isArray(this.value)) {
      throw this.wrong("is no list; expected what a run with --out writes");
    }
    return this.value.map((value, i) => this.at(i, value));
  }

  text(): string {
    if (typeof this.value === "string") return this.value;
    throw this.wrong("is no text; expected what a run with --out writes");
  }

  number(): number {
    if (typeof this.value === "number" && Number.isFinite(this.value)) return this.value;
    throw this.wrong("is no number; expected what a run with --out writes");
  }
}

function parsed(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${where} is not JSON: ${(error as Error).message}`);
  }
}

async function textIn(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? `there is none; expected the folder that a run was given with --out`
      : (error as Error).message;
    throw new UserError(`Cannot read ${path}: ${reason}`);
  }
}
