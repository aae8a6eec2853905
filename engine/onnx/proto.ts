/**
 * The part of ONNX's protobuf schema that a graph built here uses (onnx/onnx, onnx/onnx.proto).
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import protobuf from "protobufjs";

const field = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: "repeated", type, id });

const root = protobuf.Root.fromJSON({
  nested: {
    Model: {
      fields: {
        irVersion: field("int64", 1),
        producerName: field("string", 2),
        graph: field("Graph", 7),
        opsetImport: repeated("OperatorSet", 8),
      },
    },
    OperatorSet: { fields: { domain: field("string", 1), version: field("int64", 2) } },
    Graph: {
      fields: {
        node: repeated("Node", 1),
        name: field("string", 2),
        initializer: repeated("Tensor", 5),
        input: repeated("ValueInfo", 11),
        output: repeated("ValueInfo", 12),
      },
    },
    Node: {
      fields: {
        input: repeated("string", 1),
        output: repeated("string", 2),
        name: field("string", 3),
        opType: field("string", 4),
        attribute: repeated("Attribute", 5),
        domain: field("string", 7),
      },
    },
    Attribute: {
      fields: {
        name: field("string", 1),
        f: field("float", 2),
        i: field("int64", 3),
        ints: { ...repeated("int64", 8), options: { packed: false } },
        type: field("int32", 20),
      },
    },
    Tensor: {
      fields: {
        dims: { ...repeated("int64", 1), options: { packed: false } },
        dataType: field("int32", 2),
        name: field("string", 8),
        rawData: field("bytes", 9),
        externalData: repeated("StringEntry", 13),
        dataLocation: field("int32", 14),
      },
    },
    StringEntry: { fields: { key: field("string", 1), value: field("string", 2) } },
    ValueInfo: { fields: { name: field("string", 1), type: field("Type", 2) } },
    Type: { fields: { tensorType: field("TensorType", 1) } },
    TensorType: { fields: { elemType: field("int32", 1), shape: field("Shape", 2) } },
    Shape: { fields: { dim: repeated("Dimension", 1) } },
    Dimension: { fields: { dimValue: field("int64", 1), dimParam: field("string", 2) } },
  },
});

const Model = root.lookupType("Model");

/** Element types of tensors. */
export const DATA_TYPE = { float32: 1, int32: 6, int64: 7, float16: 10 } as const;

/** Where the values of a tensor are. */
export const DATA_LOCATION = { external: 1 } as const;

/** Kinds of attributes. */
export const ATTRIBUTE_TYPE = { float: 1, int: 2, ints: 7 } as const;

/** Serializes a model given in the schema's own field names. */
export function encodeModel(model: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const problem = Model.verify(model);
  if (problem !== null) {
    throw new InternalError(`The ONNX model does not fit its schema: ${problem}`);
  }
  return new Uint8Array(Model.encode(Model.create(model)).finish());
}
