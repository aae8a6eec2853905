/**
 * Finished cells on disk, one file each: what makes a leaderboard resumable.
 *
 * @module
 */
import { metricFields } from "../report/metric_fields.ts";
import { openOutputFolder, writeAll } from "../report/output_folder.ts";
import { type Cell, cellFileName, type CellKey, sameKey } from "./cell.ts";

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

  /**
   * Keeps a finished cell; never leaves half a file.
   *
   * @throws {UserError} when the folder cannot be made or written
   */
  async save(cell: Cell): Promise<void> {
    const name = await cellFileName(cell.key);
    openOutputFolder(this.folder);
    writeAll(this.folder, { [name]: `${JSON.stringify({ format: FORMAT, ...cell })}\n` });
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

const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value);

/** A cell from its file's text, or undefined when it is not whole. */
function parseCell(text: string): Cell | undefined {
  let value: Partial<Cell> & { format?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { key, numbers, examples, widths, ignored_hooks, deviations, environment } = value ?? {};
  // Cells from before models had names on the hub, and could be without a template, have no such fields.
  const model_hub = value?.model_hub ?? null;
  const chat_template = value?.chat_template ?? true;
  if (
    value?.format !== FORMAT || key === undefined || environment === undefined ||
    numbers === undefined || !metricFields.every((field) => isNumber(numbers[field])) ||
    !Array.isArray(examples) || examples.length !== numbers.examples ||
    !examples.every((e) => typeof e?.id === "string" && isNumber(e.score) && wholeSteps(e.steps)) ||
    !Array.isArray(widths) || !Array.isArray(ignored_hooks) || !Array.isArray(deviations)
  ) return undefined;
  return {
    key,
    model_hub,
    chat_template,
    numbers,
    examples,
    widths,
    ignored_hooks,
    deviations,
    environment,
  };
}

function wholeSteps(steps: unknown): boolean {
  return Array.isArray(steps) && steps.length > 0 &&
    steps.every((s) =>
      [s?.token, s?.referenceToken, s?.kl, s?.squaredError, s?.bytes, s?.elements].every(isNumber)
    );
}
