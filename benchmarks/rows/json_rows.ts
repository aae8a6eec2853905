import type { Row } from "../benchmark.ts";
import { BenchmarkError } from "../benchmark_error.ts";
import { jsonLine } from "../json_line.ts";
import { shownValue } from "../shown_value.ts";

/** Takes lines of JSON, one object each; blank ones are left out. */
export class JsonRows {
  readonly #rows: Row[] = [];
  #number = 0;

  /**
   * @param name of the file, for messages
   * @param lineBytes that a line may have
   */
  constructor(private readonly name: string, private readonly lineBytes: number) {}

  /**
   * Takes the next line.
   *
   * @throws {BenchmarkError} naming file and line of what is wrong
   */
  add(bytes: Uint8Array): void {
    const where = `${this.name}:${++this.#number}`;
    const row = jsonLine(bytes, where, this.lineBytes);
    if (row === undefined) return;
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      throw new BenchmarkError(`${where}: expected a JSON object, got ${shownValue(row)}`);
    }
    this.#rows.push(row as Row);
  }

  /**
   * The rows, in the order of their lines.
   *
   * @throws {BenchmarkError} when there are none
   */
  all(): readonly Row[] {
    if (this.#rows.length > 0) return this.#rows;
    throw new BenchmarkError(`${this.name}: no rows; expected one JSON object a line`);
  }
}
