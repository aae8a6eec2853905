/**
 * Builds an ONNX graph node by node; weights are kept outside the protobuf, which cannot exceed 2 GB.
 *
 * @module
 */
import { ATTRIBUTE_TYPE, DATA_LOCATION, DATA_TYPE, encodeModel } from "./proto.ts";

/** A dimension: a number, or a name for one that varies. */
export type Dimension = number | string;

/** Value of a node's attribute: an integer, a list of integers, or `{ float }`. */
export type Attribute = number | readonly number[] | { readonly float: number };

/** A finished graph and its weights. */
export interface BuiltGraph {
  /** The ONNX protobuf. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** The session option of this name: one "file" per weight, so that no block holds them all. */
  readonly externalData: readonly {
    readonly path: string;
    readonly data: Uint8Array<ArrayBuffer>;
  }[];
}

interface Weight {
  readonly name: string;
  readonly dims: readonly number[];
  readonly parts: readonly Float32Array<ArrayBuffer>[];
}

/** Collects inputs, constants, weights, nodes and outputs. */
export class GraphBuilder {
  readonly #nodes: unknown[] = [];
  readonly #inputs: unknown[] = [];
  readonly #outputs: unknown[] = [];
  readonly #constants = new Map<string, unknown>();
  readonly #weights: Weight[] = [];
  #count = 0;

  /** A graph input. */
  input(name: string, type: keyof typeof DATA_TYPE, dims: readonly Dimension[]): string {
    this.#inputs.push(valueInfo(name, type, dims));
    return name;
  }

  /** A graph output, by the name of the value it shows. */
  output(name: string, type: keyof typeof DATA_TYPE, dims: readonly Dimension[]): void {
    this.#outputs.push(valueInfo(name, type, dims));
  }

  /** A float32 weight, given in parts that lie behind each other. */
  weight(
    name: string,
    dims: readonly number[],
    ...parts: readonly Float32Array<ArrayBuffer>[]
  ): string {
    this.#weights.push({ name, dims, parts });
    return name;
  }

  /** An int64 constant; a list gives a vector, a number a scalar. */
  int64(value: number | readonly number[]): string {
    const name = `int64 ${JSON.stringify(value)}`;
    if (!this.#constants.has(name)) {
      const list = typeof value === "number" ? [value] : value;
      const raw = new BigInt64Array(list.map(BigInt));
      this.#constants.set(name, {
        name,
        dataType: DATA_TYPE.int64,
        dims: typeof value === "number" ? [] : [list.length],
        rawData: new Uint8Array(raw.buffer),
      });
    }
    return name;
  }

  /** A float32 scalar. */
  float32(value: number): string {
    const name = `float32 ${value}`;
    this.#constants.set(name, {
      name,
      dataType: DATA_TYPE.float32,
      dims: [],
      rawData: new Uint8Array(new Float32Array([value]).buffer),
    });
    return name;
  }

  /**
   * Adds a node and returns the name of its output, or of its first output.
   *
   * @param op operator, with its domain in front for operators outside ONNX (`com.microsoft:…`)
   * @param outputs names of its outputs; default one generated name
   */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputs: readonly string[] = [`${op} ${this.#count}`],
  ): string {
    const colon = op.indexOf(":");
    this.#nodes.push({
      name: `${op} ${this.#count++}`,
      opType: op.slice(colon + 1),
      domain: colon < 0 ? "" : op.slice(0, colon),
      input: inputs,
      output: outputs,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return outputs[0]!;
  }

  /** The graph as protobuf, and its weights beside it. */
  build(name: string): BuiltGraph {
    const initializer = [
      ...this.#constants.values(),
      ...this.#weights.map(({ name, dims }) => ({
        name,
        dims,
        dataType: DATA_TYPE.float32,
        dataLocation: DATA_LOCATION.external,
        externalData: [{ key: "location", value: name }],
      })),
    ];
    const model = encodeModel({
      irVersion: 9,
      producerName: "kvreplay",
      opsetImport: [{ domain: "", version: 18 }, { domain: "com.microsoft", version: 1 }],
      graph: {
        name,
        node: this.#nodes,
        initializer,
        input: this.#inputs,
        output: this.#outputs,
      },
    });
    const externalData = this.#weights.map(({ name, parts }) => ({
      path: name,
      data: joined(parts),
    }));
    return { model, externalData };
  }
}

/** The bytes of the parts, behind each other; of a single part, its own memory. */
function joined(parts: readonly Float32Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (parts.length === 1) return bytesOf(first!);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(bytesOf(part), at);
    at += part.byteLength;
  }
  return bytes;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function valueInfo(name: string, type: keyof typeof DATA_TYPE, dims: readonly Dimension[]) {
  return {
    name,
    type: {
      tensorType: {
        elemType: DATA_TYPE[type],
        shape: { dim: dims.map((d) => typeof d === "number" ? { dimValue: d } : { dimParam: d }) },
      },
    },
  };
}

function attribute(name: string, value: Attribute) {
  if (typeof value === "number") return { name, i: value, type: ATTRIBUTE_TYPE.int };
  if ("float" in value) return { name, f: value.float, type: ATTRIBUTE_TYPE.float };
  return { name, ints: value, type: ATTRIBUTE_TYPE.ints };
}
