/**
 * From lines of JSON to examples, one line after the other.
 *
 * @module
 */
import { BenchmarkError } from "./benchmark_error.ts";
import type { DataLimits } from "./data_limits.ts";
import { checkAnswers } from "./datasets.ts";
import { type Example, exampleOf } from "./example.ts";
import { jsonLine } from "./json_line.ts";

/** Takes the lines of one file, and checks them one by one. */
export class ExampleReader {
  readonly #examples: Example[] = [];
  readonly #lineOfId = new Map<string, number>();
  #number = 0;

  /**
   * @param name of the file, for messages
   * @param limits what it may hold
   */
  constructor(private readonly name: string, private readonly limits: DataLimits) {}

  /**
   * Takes the next line; a blank one is left out.
   *
   * @throws {BenchmarkError} naming file and line of what is wrong
   */
  add(bytes: Uint8Array): void {
    const where = `${this.name}:${++this.#number}`;
    const row = jsonLine(bytes, where, this.limits.lineBytes);
    if (row === undefined) return;
    const example = exampleOf(row, where, this.limits.answers);
    checkAnswers(example, where);
    const before = this.#lineOfId.get(example.id);
    if (before !== undefined) {
      throw new BenchmarkError(
        `${where}: the "_id" ${JSON.stringify(example.id)} is already that of line ${before}`,
      );
    }
    this.#lineOfId.set(example.id, this.#number);
    this.#examples.push(example);
  }

  /**
   * All examples, in the order of their lines.
   *
   * @throws {BenchmarkError} when there are none
   */
  examples(): Example[] {
    if (this.#examples.length > 0) return this.#examples;
    throw new BenchmarkError(`${this.name}: no examples; expected one JSON object a line`);
  }
}
