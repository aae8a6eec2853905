/**
 * Jinja with an end: the library's interpreter, which counts what it does.
 *
 * @module
 */
import { type Environment, Interpreter } from "@huggingface/jinja";
import { UserError } from "../../errors.ts";

type Statement = Parameters<Interpreter["evaluate"]>[0];
type Value = ReturnType<Interpreter["evaluate"]>;

/** Steps that a rendering may take; those of known models take some hundreds. */
export const TEMPLATE_STEPS = 1_000_000;

/** Characters of a text that cost one step, since they are only copied. */
const CHARACTERS_A_STEP = 1024;

/**
 * Every value that is evaluated costs a step, and as many more as it holds entries: a loop over it, or
 * its text, costs no more than that. So a template ends by itself within about a second, and the thread
 * that renders it needs no other to watch it.
 */
export class BoundedInterpreter extends Interpreter {
  #left: number;
  readonly #sizes = new WeakMap<Value, number>();

  constructor(environment: Environment, private readonly steps: number = TEMPLATE_STEPS) {
    super(environment);
    this.#left = steps;
  }

  /**
   * Takes `steps` off what is left.
   *
   * @throws {UserError} when they are more
   */
  charge(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    throw new UserError(`It takes more than ${this.steps} steps, as if it went on for ever`);
  }

  override evaluate(statement: Statement, environment: Environment): Value {
    this.charge(1);
    const value = super.evaluate(statement, environment);
    this.charge(this.#size(value));
    return value;
  }

  /** Entries of a value and of all that it holds, each as often as its text would repeat it. */
  #size(value: Value): number {
    const content: unknown = value.value;
    if (typeof content === "string") return Math.floor(content.length / CHARACTERS_A_STEP);
    if (!(Array.isArray(content) || content instanceof Map)) return 0;
    const known = this.#sizes.get(value);
    if (known !== undefined) return known;
    // A namespace may come to hold itself, and is never the same for long.
    if (value.type === "NamespaceValue") return content instanceof Map ? content.size : 0;
    let size = 0;
    for (const entry of content.values() as Iterable<Value>) size += 1 + this.#size(entry);
    this.#sizes.set(value, size);
    return size;
  }
}
