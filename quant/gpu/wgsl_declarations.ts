/**
 * What a WGSL text declares, read from the text itself: structs, buffers, constants and entry points.
 * Only declarations are understood; of a function's body only the names count, to tell which buffers
 * an entry point reaches. Whether the text is right is for the device to say.
 *
 * WGSL: https://www.w3.org/TR/WGSL/
 *
 * @module
 */
import { InternalError } from "../../errors.ts";

/** A type as it is written: `array<Band>` has the name `array` and one argument. */
export interface WrittenType {
  readonly name: string;
  readonly args: readonly WrittenType[];
}

/** A struct's members, in order. */
export type WrittenStruct = readonly { readonly name: string; readonly type: WrittenType }[];

/** A variable of the address space `uniform` or `storage`, in bind group 0. */
export interface BufferVariable {
  readonly name: string;
  readonly binding: number;
  readonly access: "uniform" | "read" | "read_write";
  readonly type: WrittenType;
}

/** A function, and every name in its body that is not a member's or its own. */
interface WrittenFunction {
  readonly names: ReadonlySet<string>;
  /** `@workgroup_size`, of entry points. */
  readonly workgroupSize: readonly string[] | undefined;
}

/** The declarations of one text. */
export class WgslDeclarations {
  readonly structs = new Map<string, WrittenStruct>();
  readonly buffers = new Map<string, BufferVariable>();
  /** `const` and `override` declarations whose value is a number. */
  readonly #numbers = new Map<string, number>();
  readonly #functions = new Map<string, WrittenFunction>();

  /** @throws {InternalError} when the text is cut short, or declares something unknown */
  constructor(text: string) {
    const reader = new TokenReader(text);
    while (!reader.done) {
      const attributes = reader.attributes();
      const keyword = reader.take();
      if (keyword === "struct") {
        this.structs.set(reader.take(), reader.members());
      } else if (keyword === "var") {
        this.#readVariable(reader, attributes);
      } else if (keyword === "const" || keyword === "override") {
        const name = reader.take();
        const value = numberOf(reader.until(";").at(-1)!);
        if (value !== undefined) this.#numbers.set(name, value);
      } else if (keyword === "fn") {
        const name = reader.take();
        const names = namesIn([...reader.enclosed("(", ")"), ...reader.enclosed("{", "}")]);
        this.#functions.set(name, { names, workgroupSize: attributes.get("workgroup_size") });
      } else if (keyword === "enable") {
        reader.until(";");
      } else if (keyword !== ";") {
        throw new InternalError(
          `A WGSL text declares "${keyword}"; the workbench reads struct, var, const, override, fn and enable`,
        );
      }
    }
  }

  /** The buffers that an entry point reaches, through the functions it calls. */
  reachedBy(entryPoint: string): readonly BufferVariable[] {
    const seen = new Set<string>([entryPoint]);
    const reached: BufferVariable[] = [];
    // A set goes through what is added on the way.
    for (const name of seen) {
      const buffer = this.buffers.get(name);
      if (buffer !== undefined) reached.push(buffer);
      for (const used of this.#functions.get(name)?.names ?? []) seen.add(used);
    }
    return reached;
  }

  /** Invocations of a workgroup of an entry point. */
  workgroupThreads(entryPoint: string): number {
    const size = this.#functions.get(entryPoint)?.workgroupSize;
    if (size === undefined) throw new InternalError(`There is no entry point "${entryPoint}"`);
    return size.reduce((product, text) => product * this.number(text), 1);
  }

  /** The value of a number or of a constant's name. */
  number(text: string): number {
    const value = numberOf(text) ?? this.#numbers.get(text);
    if (value === undefined) {
      throw new InternalError(`The WGSL text has no constant "${text}" that is a number`);
    }
    return value;
  }

  #readVariable(reader: TokenReader, attributes: Attributes): void {
    const space = reader.peek() === "<" ? reader.enclosed("<", ">") : [];
    const name = reader.take();
    reader.skip(":");
    const type = reader.type();
    reader.until(";");
    if (space[0] !== "uniform" && space[0] !== "storage") return;
    this.buffers.set(name, {
      name,
      binding: this.number(attributes.get("binding")![0]!),
      access: space[0] === "uniform"
        ? "uniform"
        : space.at(-1) === "read_write"
        ? "read_write"
        : "read",
      type,
    });
  }
}

/** Arguments of the attributes before a declaration, by their names. */
type Attributes = ReadonlyMap<string, readonly string[]>;

function numberOf(text: string): number | undefined {
  return /^\d/.test(text) ? Number(text.replace(/[uifh]$/, "")) : undefined;
}

/** Names that a function takes from outside: no members, and none that it declares itself. */
function namesIn(tokens: readonly string[]): Set<string> {
  const names = new Set<string>();
  const own = new Set<string>();
  for (const [i, token] of tokens.entries()) {
    if (!/^[A-Za-z_]/.test(token) || tokens[i - 1] === ".") continue;
    const declared = tokens[i + 1] === ":" || ["let", "var", "const"].includes(tokens[i - 1]!);
    (declared ? own : names).add(token);
  }
  return names.difference(own);
}

class TokenReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    const code = text.replace(/\/\/.*|\/\*[^]*?\*\//g, " ");
    this.#tokens = code.match(/[A-Za-z_]\w*|\d[\w.]*|\S/g) ?? [];
  }

  get done(): boolean {
    return this.#at === this.#tokens.length;
  }

  peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  take(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) {
      const last = this.#tokens.slice(-3).join(" ");
      throw new InternalError(`A WGSL text ends inside a declaration, with "${last}"`);
    }
    return token;
  }

  skip(expected: string): void {
    const token = this.take();
    if (token !== expected) {
      throw new InternalError(`A WGSL text has "${token}" where "${expected}" must stand`);
    }
  }

  /** Everything up to a token, and that token skipped. */
  until(end: string): string[] {
    const tokens: string[] = [];
    for (let token = this.take(); token !== end; token = this.take()) tokens.push(token);
    return tokens;
  }

  /** Everything up to and into the next pair of brackets that belong together, without them. */
  enclosed(open: string, close: string): string[] {
    this.until(open);
    const tokens: string[] = [];
    for (let depth = 1; depth > 0;) {
      const token = this.take();
      if (token === open) depth++;
      else if (token === close) depth--;
      if (depth > 0) tokens.push(token);
    }
    return tokens;
  }

  attributes(): Attributes {
    const attributes = new Map<string, readonly string[]>();
    while (this.peek() === "@") {
      this.skip("@");
      const name = this.take();
      const args = this.peek() === "(" ? this.enclosed("(", ")") : [];
      attributes.set(name, args.filter((token) => token !== ","));
    }
    return attributes;
  }

  type(): WrittenType {
    const name = this.take();
    const args: WrittenType[] = [];
    if (this.peek() === "<") {
      do {
        this.take();
        if (this.peek() !== ">") args.push(this.type());
      } while (this.peek() === ",");
      this.skip(">");
    }
    return { name, args };
  }

  members(): WrittenStruct {
    const members: { name: string; type: WrittenType }[] = [];
    this.skip("{");
    while (this.peek() !== "}") {
      const attributes = this.attributes();
      const name = this.take();
      if (attributes.size > 0) {
        throw new InternalError(`Member "${name}" of a WGSL struct has attributes; none is read`);
      }
      this.skip(":");
      members.push({ name, type: this.type() });
      if (this.peek() === ",") this.take();
    }
    this.skip("}");
    return members;
  }
}
