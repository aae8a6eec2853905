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

/** A finished graph, and what its weights are made of. */
export interface BuiltGraph {
  /** In the order in which a file holds them. */
  readonly weights: readonly GraphWeight[];
  /** The ONNX protobuf, with every weight in the place that it is given. */
  encode(place: (weight: GraphWeight) => WeightPlace): Uint8Array<ArrayBuffer>;
}

/** A weight of a graph. */
export interface GraphWeight {
  /** Name in the graph. */
  readonly name: string;
  readonly dims: readonly number[];
  /** What lies behind each other in it: tensors of the checkpoint by name, and values made here. */
  readonly parts: readonly WeightPart[];
  /** Size of it. */
  readonly bytes: number;
  /** Name of the weight whose bytes it shares; absent for one that has its own. */
  readonly sharedWith?: string;
}

/** A tensor of the checkpoint by its name, or values. */
export type WeightPart = string | Float32Array<ArrayBuffer>;

/** Where onnxruntime finds a weight. */
export interface WeightPlace {
  /** Name of the file. */
  readonly location: string;
  /** First byte in the file; absent for a weight that has a file of its own. */
  readonly offset?: number;
}

/** Collects inputs, constants, weights, nodes and outputs. */
export class GraphBuilder {
  readonly #nodes: unknown[] = [];
  readonly #inputs: unknown[] = [];
  readonly #outputs: unknown[] = [];
  readonly #constants = new Map<string, unknown>();
  readonly #weights: GraphWeight[] = [];
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

  /** A weight, in parts that lie behind each other. */
  weight(name: string, dims: readonly number[], ...parts: readonly WeightPart[]): string {
    const bytes = dims.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT);
    this.#weights.push({ name, dims, parts, bytes });
    return name;
  }

  /**
   * A weight once more, under another name. onnxruntime maps a file for each name and drops what it
   * has packed: of a weight that is multiplied with and looked up in, only the rows that are looked
   * up stay in memory.
   */
  again(name: string): string {
    const weight = this.#weights.find((other) => other.name === name)!;
    const other = `${name} again`;
    this.#weights.push({ ...weight, name: other, sharedWith: name });
    return other;
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

  /** The graph, its weights still to be placed. */
  build(name: string): BuiltGraph {
    return { weights: this.#weights, encode: (place) => this.#encode(name, place) };
  }

  #encode(name: string, place: (weight: GraphWeight) => WeightPlace): Uint8Array<ArrayBuffer> {
    const initializer = [
      ...this.#constants.values(),
      ...this.#weights.map((weight) => ({
        name: weight.name,
        dims: weight.dims,
        dataType: DATA_TYPE.float32,
        dataLocation: DATA_LOCATION.external,
        externalData: externalData(weight, place(weight)),
      })),
    ];
    return encodeModel({
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
  }
}

function externalData({ bytes }: GraphWeight, { location, offset }: WeightPlace) {
  return [
    { key: "location", value: location },
    ...(offset === undefined ? [] : [
      { key: "offset", value: `${offset}` },
      { key: "length", value: `${bytes}` },
    ]),
  ];
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
