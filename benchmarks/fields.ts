/**
 * Fields of rows, checked where they are read.
 *
 * @module
 */
import type { Row } from "./benchmark.ts";
import { BenchmarkError } from "./benchmark_error.ts";
import { shownValue } from "./shown_value.ts";

function wrong(row: Row, name: string, expected: string): BenchmarkError {
  return new BenchmarkError(
    Object.hasOwn(row, name)
      ? `The field ${JSON.stringify(name)} is ${shownValue(row[name])}; expected ${expected}`
      : `There is no field ${JSON.stringify(name)}, only ${
        Object.keys(row).map((key) => JSON.stringify(key)).join(", ")
      }`,
  );
}

/** A text. */
export function textField(row: Row, name: string): string {
  const value = row[name];
  if (typeof value === "string") return value;
  throw wrong(row, name, "a text");
}

/** A finite number. */
export function numberField(row: Row, name: string): number {
  const value = row[name];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(row, name, "a number");
}

/** One or several texts; numbers are texts too. */
export function textsField(row: Row, name: string): readonly string[] {
  const value = row[name];
  const list = Array.isArray(value) ? value : [value];
  const texts = list.map((entry) =>
    typeof entry === "number" || typeof entry === "bigint" ? String(entry) : entry
  );
  if (texts.length > 0 && texts.every((entry) => typeof entry === "string")) return texts;
  throw wrong(row, name, "a text or a list of texts");
}

/** Right answers, one or several; none is blank, which every reply would hold and none could equal. */
export function answersField(row: Row, name: string): readonly string[] {
  const answers = textsField(row, name);
  if (answers.every((answer) => answer.trim() !== "")) return answers;
  throw wrong(row, name, "answers that are not blank");
}

/** Texts, or null. */
export function textsOrNull(row: Row, name: string): readonly string[] | null {
  return row[name] === null || !Object.hasOwn(row, name) ? null : textsField(row, name);
}
