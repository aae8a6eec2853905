import { assertEquals, assertThrows } from "@std/assert";
import { InternalError } from "../../../errors.ts";
import { WgslDeclarations } from "../../../quant/gpu/wgsl_declarations.ts";
import { layoutOf, type WgslValue } from "../../../quant/gpu/wgsl_layout.ts";

/** The layout of a type in a text with these structs. */
function layout(type: string, structs = "") {
  const text = `${structs}\n@group(0) @binding(0) var<storage, read> x: ${type};`;
  const declarations = new WgslDeclarations(text);
  return layoutOf(declarations.buffers.get("x")!.type, declarations);
}

/** The bytes of a value. */
function written(type: string, value: WgslValue, structs = ""): DataView {
  const { size, write } = layout(type, structs);
  const view = new DataView(new ArrayBuffer(size));
  write(view, 0, value, "x");
  return view;
}

Deno.test("sizes and alignments are those of the specification's table", () => {
  // WGSL, section 14.4.1: size and alignment of every type.
  const table: [string, number, number][] = [
    ["u32", 4, 4],
    ["i32", 4, 4],
    ["f32", 4, 4],
    ["f16", 2, 2],
    ["atomic<u32>", 4, 4],
    ["vec2f", 8, 8],
    ["vec2<u32>", 8, 8],
    ["vec2h", 4, 4],
    ["vec3i", 12, 16],
    ["vec3<f32>", 12, 16],
    ["vec3h", 6, 8],
    ["vec4u", 16, 16],
    ["vec4<f16>", 8, 8],
    ["array<f32, 3>", 12, 4],
    ["array<vec3f, 3>", 48, 16],
    ["array<atomic<u32>, 2>", 8, 4],
  ];
  for (const [type, size, align] of table) {
    const found = layout(type);
    assertEquals([found.size, found.align], [size, align], type);
  }
});

Deno.test("members lie where they do when worked out by hand", () => {
  const inner = "struct Inner { a: vec3f, b: f32, c: f16 }";
  // a 0..12, b 12..16, c 16..18; rounded up to the 16 of a.
  assertEquals(layout("Inner", inner).offsets, { a: 0, b: 12, c: 16 });
  assertEquals([layout("Inner", inner).size, layout("Inner", inner).align], [32, 16]);
  const outer = `${inner}
    struct Outer { first: u32, inner: Inner, pair: vec2u, x: u32, list: array<Inner, 2>, end: u32 }`;
  assertEquals(layout("Outer", outer).offsets, {
    first: 0,
    inner: 16,
    pair: 48,
    x: 56,
    list: 64,
    end: 128,
  });
  assertEquals(layout("Outer", outer).size, 144);
});

Deno.test("elements are as far apart as their size rounded up to their alignment", () => {
  const record = "struct Record { a: f32, b: f32, c: u32 }";
  assertEquals(layout("array<Record>", record).stride, 12);
  assertEquals(layout("array<Record>", record).size, 0);
  assertEquals(layout("array<vec3u>").stride, 16);
  assertEquals(layout("array<f16>").stride, 2);
  assertEquals(layout("array<Place>", "struct Place { at: vec2u, weight: f32 }").stride, 16);
});

Deno.test("values are written by name, whatever their order", () => {
  const structs =
    "struct Job { count: u32, shift: i32, factor: f32, small: f16, on: u32, v: vec3u }";
  const view = written("Job", {
    v: [7, 8, 9],
    on: true,
    small: 0.5,
    factor: 1.25,
    shift: -3,
    count: 4_000_000_000,
  }, structs);
  assertEquals(view.byteLength, 48);
  assertEquals(view.getUint32(0, true), 4_000_000_000);
  assertEquals(view.getInt32(4, true), -3);
  assertEquals(view.getFloat32(8, true), 1.25);
  assertEquals(view.getUint16(12, true), 0x3800);
  assertEquals(view.getUint32(16, true), 1);
  assertEquals([32, 36, 40].map((at) => view.getUint32(at, true)), [7, 8, 9]);
  const list = written("array<vec3u, 2>", [[1, 2, 3], [4, 5, 6]]);
  assertEquals([...new Uint32Array(list.buffer)], [1, 2, 3, 0, 4, 5, 6, 0]);
});

Deno.test("names and values that do not fit are errors that name the struct", () => {
  const structs = "struct Job { count: u32, place: vec2f }";
  const right = { count: 1, place: [1, 2] };
  const wrong: [WgslValue, string][] = [
    [{ ...right, tokens: 1 }, 'Struct Job has no member "tokens"; it has count, place'],
    [{ count: 1 }, 'Struct Job is written without its member "place"'],
    [{ ...right, count: -1 }, 'Member "count" of struct Job cannot hold -1'],
    [{ ...right, count: 0.5 }, 'Member "count" of struct Job cannot hold 0.5'],
    [{ ...right, count: 2 ** 32 }, "cannot hold 4294967296"],
    [{ ...right, count: [1] }, "cannot hold [1]"],
    [{ ...right, place: [1, NaN] }, 'Member "place" of struct Job cannot hold NaN'],
    [{ ...right, place: [1, 2, 3] }, 'Member "place" of struct Job is not a list of 2 values'],
    [{ ...right, place: 1 }, "is not a list of 2 values"],
    [3, "x is not an object with the members of struct Job"],
  ];
  for (const [value, message] of wrong) {
    assertThrows(() => written("Job", value, structs), InternalError, message);
  }
  assertThrows(() => written("f16", 70000), InternalError, "70000");
  assertThrows(() => layout("mat4x4f"), InternalError, '"mat4x4f"');
});
