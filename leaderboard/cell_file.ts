/**
 * A cell as text: JSON with the SHA-256 of what it holds. A reader believes nothing: counts and sizes
 * must be possible, and the totals must be those of the steps.
 *
 * @module
 */
import { isSetFacts } from "../calibration/calibration_file.ts";
import { sha256 } from "../engine/digest.ts";
import { UserError } from "../errors.ts";
import { type SliceNumbers, type StepOutcome, summarize } from "../replay/metric.ts";
import { metricFields } from "../report/metric_fields.ts";
import { type Cell, type CellKey, sameKey } from "./cell.ts";
import { REFERENCE } from "./board.ts";

/** Dataset of a text's windows. */
const TEXT_DATASET = "text";

/** Version of the format. */
const FORMAT = "kvreplay cell 3";

/** Numbers that are worked out from the examples alone. */
const WORKED_OUT = [
  "quality_main",
  "peak_kv_memory_mb",
  "decode_tokens_per_s",
  "prefill_latency_ms",
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
] as const satisfies readonly (keyof SliceNumbers)[];

/** Widest code that anything stores, in bits: a float32. */
const WIDEST = 32;

/** What float32 values lead to is far below, and sums and squares of it are finite. */
const MOST = 1e150;

/** A file that holds no cell; the message is one sentence. */
export class CellError extends UserError {
  override name = "CellError";
}

/** A cell of an earlier version. */
export class OutdatedCellError extends CellError {
  override name = "OutdatedCellError";
}

/** A cell's file. */
export async function writeCell(cell: Cell): Promise<string> {
  const hash = await sha256(JSON.stringify(cell));
  return `${JSON.stringify({ format: FORMAT, sha256: hash, ...cell })}\n`;
}

/**
 * A cell from its file.
 *
 * @param name what the file is called, for errors
 * @param key under which it was written; absent for whatever the file says
 * @throws {CellError} when it is not the cell that was written under a key
 */
export async function readCell(text: string, name: string, key?: CellKey): Promise<Cell> {
  const { format, sha256: hash, ...content } = parsed(text, name);
  if (format !== FORMAT) {
    if (typeof format === "string" && /^kvreplay cell \d+$/.test(format)) {
      throw new OutdatedCellError(`Cell ${name} is a "${format}"; expected "${FORMAT}"`);
    }
    throw new CellError(`Cell ${name} has the format ${shown(format)}; expected "${FORMAT}"`);
  }
  const wrong = wrongPart(content);
  if (wrong !== undefined) throw new CellError(`Cell ${name} ${wrong}`);
  const cell = content as unknown as Cell;
  if (key !== undefined && !sameKey(cell.key, key)) {
    throw new CellError(`Cell ${name} has a key that does not give this name; expected its own`);
  }
  checkTotals(cell, name);
  if (hash !== await sha256(JSON.stringify(cell))) {
    throw new CellError(`Cell ${name} is not what was written: its SHA-256 is of something else`);
  }
  return cell;
}

function parsed(text: string, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CellError(`Cell ${name} is not JSON`);
  }
  if (isObject(value)) return value;
  throw new CellError(`Cell ${name} holds ${shown(value)}; expected an object`);
}

/** What is no part of a cell, in a clause; undefined for a whole one. */
function wrongPart(content: Record<string, unknown>): string | undefined {
  const { key, numbers, slice_examples: size, refused, examples, widths, environment } = content;
  if (!isObject(key)) return "has no key";
  if (!isObject(environment) || !isEnvironment(environment)) {
    return "does not say where and when it was run";
  }
  if (!isModel(content)) return "does not say of which model it is";
  for (const said of ["outside_budget", "claimed"] as const) {
    if (typeof content[said] === "boolean") continue;
    return `has ${shown(content[said])} for ${said}; expected true or false`;
  }
  for (const list of ["ignored_hooks", "deviations"] as const) {
    if (!isTexts(content[list])) return `has ${shown(content[list])} for ${list}; expected texts`;
  }
  const { benchmark, calibration } = content;
  if (benchmark !== undefined && !isOrigin(benchmark)) {
    return `has ${shown(benchmark)} for its benchmark; expected where that came from`;
  }
  if (!Array.isArray(calibration) || !calibration.every(isSetFacts)) {
    return `has ${
      shown(calibration)
    } for what was learned from; expected samples, tokens and sha256`;
  }
  if (!isWidths(widths)) {
    return `has widths that no cache has; expected 0 to ${WIDEST} bits per layer, kind and head`;
  }
  if (!isObject(numbers)) return "has no numbers";
  const field = metricFields.find((field) => !isNumber(numbers[field]));
  if (field !== undefined) return `has ${shown(numbers[field])} for ${field}; expected a number`;
  for (const field of ["calibration_cost_s", "examples_left_out", "constants_mb"] as const) {
    if (!isAtLeast0(numbers[field])) {
      return `has ${shown(numbers[field])} for ${field}; expected 0 or more`;
    }
  }
  if (!Array.isArray(examples) || examples.length === 0) return "has no examples";
  if (!isRefused(refused) || refused.length !== numbers.examples_left_out) {
    return `has ${shown(refused)} for refused; expected the ${numbers.examples_left_out} left out`;
  }
  if (!Number.isSafeInteger(size) || (size as number) < examples.length + refused.length) {
    return `has ${shown(size)} for slice_examples; expected those that were asked for at least`;
  }
  const ids = new Set<unknown>();
  for (const example of examples) {
    const wrong = wrongExample(example);
    if (wrong !== undefined) return wrong;
    if (ids.has(example.id)) return `has the example ${shown(example.id)} twice`;
    ids.add(example.id);
  }
  return undefined;
}

function wrongExample(value: unknown): string | undefined {
  if (!isObject(value) || typeof value.id !== "string" || typeof value.dataset !== "string") {
    return "has an example without a name";
  }
  const { id, depth = 0, score, referenceScore, seconds, prefillMs, steps } = value;
  const where = `has an impossible example ${shown(id)}:`;
  for (const [name, share] of Object.entries({ depth, score, referenceScore })) {
    if (!isAtLeast0(share) || share > 1) return `${where} its ${name} is ${shown(share)}`;
  }
  for (const [name, time] of Object.entries({ seconds, prefillMs })) {
    if (!isAtLeast0(time)) return `${where} its ${name} is ${shown(time)}`;
  }
  if (!Array.isArray(steps) || steps.length === 0) return `${where} it has no steps`;
  // Of a text every so many positions are scored, and steps are counted in positions.
  const isText = value.dataset === TEXT_DATASET && steps.length > 1;
  const every = isText ? Math.max(1, Number(steps[1]?.step)) : 1;
  const at = steps.findIndex((step, i) => !isStep(step, i * every));
  return at < 0 ? undefined : `${where} its step ${at} is ${shown(steps[at])}`;
}

const COUNTS = ["token", "referenceToken", "bytes", "elements", "codes"] as const;

/** @param index that it must have; not a number where the second step has none */
function isStep(value: unknown, index: number): boolean {
  if (!isObject(value) || value.step !== index || !Number.isSafeInteger(index)) return false;
  const step = value as unknown as StepOutcome;
  // A cache of no entries has no bytes, and no other has none.
  return COUNTS.every((name) => Number.isSafeInteger(step[name]) && step[name] >= 0) &&
    (step.bytes > 0) === (step.elements > 0) && isAtLeast0(step.kl) &&
    isAtLeast0(step.squaredError) && isAtLeast0(step.codeBits) &&
    (step.codes > 0 || step.codeBits === 0);
}

/** Works the totals out again. */
function checkTotals({ key, numbers, examples }: Cell, name: string): void {
  const worked = summarize(examples, { fullPrecision: key.policy === REFERENCE });
  if (!(worked.peak_kv_memory_mb > 0)) {
    throw new CellError(`Cell ${name} has a cache of ${worked.peak_kv_memory_mb} MiB`);
  }
  for (const field of WORKED_OUT) {
    if (numbers[field] === worked[field]) continue;
    throw new CellError(
      `Cell ${name} has ${numbers[field]} for ${field}, but its steps give ${worked[field]}`,
    );
  }
}

function isModel({ model_hub: hub, chat_template }: Record<string, unknown>): boolean {
  return typeof chat_template === "boolean" &&
    (hub === null ||
      isObject(hub) && typeof hub.name === "string" && typeof hub.commit === "string");
}

function isOrigin(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { data, data_commit, metric, shots, chat, prompts, benchmark_sha256, floor } = value;
  return isTexts([data, data_commit ?? "", metric, prompts, benchmark_sha256 ?? ""]) &&
    Number.isSafeInteger(shots) && (shots as number) >= 0 && typeof chat === "boolean" &&
    isAtLeast0(floor) && floor <= 100;
}

/** Examples that were left out, with the reasons. */
function isRefused(value: unknown): value is unknown[] {
  return Array.isArray(value) &&
    value.every((example) => isObject(example) && isTexts([example.id, example.reason]));
}

function isEnvironment(value: Record<string, unknown>): boolean {
  const { started, seconds, machine, deno, commit } = value;
  return isAtLeast0(started) && isAtLeast0(seconds) && isTexts([machine, deno, commit]);
}

/** Every layer has keys and values of as many heads. */
function isWidths(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const heads = value[0]?.[0]?.length;
  return value.every((layer) =>
    Array.isArray(layer) && layer.length === 2 &&
    layer.every((kind) =>
      Array.isArray(kind) && kind.length === heads && kind.length > 0 &&
      kind.every((bits) => isAtLeast0(bits) && bits <= WIDEST)
    )
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) < MOST;
}

function isAtLeast0(value: unknown): value is number {
  return isNumber(value) && value >= 0;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

/** The start of a value, as JSON. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
