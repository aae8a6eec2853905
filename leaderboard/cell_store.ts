/**
 * Finished cells on disk, one file each: what makes a leaderboard resumable.
 *
 * @module
 */
import { type Cell, cellFileName, type CellKey, sameKey } from "./cell.ts";
import { writeWholeFile } from "./whole_file.ts";

/** Version of the file format. */
const FORMAT = "kvreplay cell 1";

/** A folder of finished cells. */
export class CellStore {
  constructor(private readonly folder: string) {}

  async #path(key: CellKey): Promise<string> {
    return `${this.folder}/${await cellFileName(key)}`;
  }

  /** The finished cell of a key, or undefined when there is none or its file is damaged. */
  async load(key: CellKey): Promise<Cell | undefined> {
    let text: string;
    try {
      text = await Deno.readTextFile(await this.#path(key));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
    const cell = parseCell(text);
    return cell !== undefined && sameKey(cell.key, key) ? cell : undefined;
  }

  /** Keeps a finished cell; never leaves half a file. */
  async save(cell: Cell): Promise<void> {
    await writeWholeFile(
      await this.#path(cell.key),
      JSON.stringify({ format: FORMAT, ...cell }) + "\n",
    );
  }

  /** Forgets the cell of a key, if there is one. */
  async remove(key: CellKey): Promise<void> {
    try {
      await Deno.remove(await this.#path(key));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

const NUMBERS = [
  "quality_main",
  "quality_delta_vs_ref",
  "peak_kv_memory_mb",
  "decode_tokens_per_s",
  "prefill_latency_ms",
  "calibration_cost_s",
  "avg_bits_per_kv_token",
  "cache_error",
  "greedy_match_ratio",
  "replay_agreement",
  "task_score",
  "task_score_ref",
  "kv_compression_ratio",
  "code_bits",
  "steps",
  "examples",
] as const satisfies readonly (keyof Cell["numbers"])[];

const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);

/** A cell from its file's text, or undefined when it is not whole. */
function parseCell(text: string): Cell | undefined {
  let value: Partial<Cell> & { format?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { key, numbers, examples, widths, ignored_hooks, environment } = value ?? {};
  if (
    value?.format !== FORMAT || key === undefined || environment === undefined ||
    numbers === undefined || !NUMBERS.every((field) => isNumber(numbers[field])) ||
    !Array.isArray(examples) || examples.length !== numbers.examples ||
    !examples.every((e) => typeof e?.id === "string" && isNumber(e.score) && wholeSteps(e.steps)) ||
    !Array.isArray(widths) || !Array.isArray(ignored_hooks)
  ) return undefined;
  return { key, numbers, examples, widths, ignored_hooks, environment };
}

function wholeSteps(steps: unknown): boolean {
  return Array.isArray(steps) && steps.length > 0 &&
    steps.every((s) =>
      [s?.token, s?.referenceToken, s?.kl, s?.squaredError, s?.bytes, s?.elements].every(isNumber)
    );
}
