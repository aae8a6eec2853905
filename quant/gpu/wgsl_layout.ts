/**
 * Where WGSL puts the members of structs and the elements of arrays, and values written there by the
 * names that the WGSL text gives them.
 *
 * WGSL, section 14.4 (memory layout): a type has a size and an alignment; members follow each other,
 * each at the next multiple of its alignment; a `vec3` has the size of three numbers and the alignment
 * of four; elements of an array are as far apart as their size rounded up to their alignment.
 *
 * @module
 */
import { InternalError } from "../../errors.ts";
import { HALF_MAX, toHalfBits } from "../packing/half.ts";
import type { WgslDeclarations, WrittenType } from "./wgsl_declarations.ts";

/** Values of one type: a number, a list of them for a vector or an array, or a struct's by name. */
export type WgslValue = number | boolean | readonly WgslValue[] | WgslValues;

/** A struct's values, by member name. */
export interface WgslValues {
  readonly [member: string]: WgslValue;
}

/** Writes a value at a byte; `place` says in errors what is being written. */
type Write = (view: DataView, at: number, value: WgslValue, place: string) => void;

/** A type with its memory layout, in bytes. */
export interface TypeLayout {
  /** 0 for an array whose length the buffer decides. */
  readonly size: number;
  readonly align: number;
  readonly write: Write;
  /** Of structs: where each member lies. */
  readonly offsets?: Readonly<Record<string, number>>;
  /** Of arrays: the elements, and their distance. */
  readonly element?: TypeLayout;
  readonly stride?: number;
}

const NUMBERS: Readonly<Record<string, TypeLayout>> = {
  u32: numberLayout(4, (view, at, x) => view.setUint32(at, x, true), (x) => x >>> 0 === x),
  i32: numberLayout(4, (view, at, x) => view.setInt32(at, x, true), (x) => (x | 0) === x),
  f32: numberLayout(4, (view, at, x) => view.setFloat32(at, x, true), (x) => !Number.isNaN(x)),
  f16: numberLayout(
    2,
    (view, at, x) => view.setUint16(at, toHalfBits(x), true),
    (x) => Math.abs(x) <= HALF_MAX,
  ),
};

/** Last letter of the short names of vectors (`vec3u`). */
const VECTOR_SUFFIXES: Readonly<Record<string, string>> = {
  u: "u32",
  i: "i32",
  f: "f32",
  h: "f16",
};

function numberLayout(
  size: number,
  set: (view: DataView, at: number, x: number) => void,
  holds: (x: number) => boolean,
): TypeLayout {
  return {
    size,
    align: size,
    write(view, at, value, place) {
      const x = typeof value === "boolean" ? Number(value) : value;
      if (typeof x !== "number" || !holds(x)) {
        const shown = typeof value === "object" ? JSON.stringify(value) : value;
        throw new InternalError(`${place} cannot hold ${shown}`);
      }
      set(view, at, x);
    },
  };
}

/** The layout of a type that a text uses. */
export function layoutOf(type: WrittenType, declarations: WgslDeclarations): TypeLayout {
  const { name, args } = type;
  if (name === "atomic") return layoutOf(args[0]!, declarations);
  if (name === "array") {
    const count = args[1] === undefined ? undefined : declarations.number(args[1].name);
    return arrayLayout(layoutOf(args[0]!, declarations), count);
  }
  const struct = declarations.structs.get(name);
  if (struct !== undefined) {
    return structLayout(
      name,
      struct.map((member) => ({ name: member.name, layout: layoutOf(member.type, declarations) })),
    );
  }
  const vector = /^vec([234])([uifh]?)$/.exec(name);
  const number = NUMBERS[vector === null ? name : VECTOR_SUFFIXES[vector[2]!] ?? args[0]!.name];
  if (number === undefined) {
    throw new InternalError(`The workbench does not know how WGSL lays out the type "${name}"`);
  }
  return vector === null ? number : vectorLayout(number, Number(vector[1]));
}

function vectorLayout(number: TypeLayout, count: number): TypeLayout {
  const { size } = number;
  return {
    size: count * size,
    align: (count === 3 ? 4 : count) * size,
    write: (view, at, value, place) => writeList(number, size, count, view, at, value, place),
  };
}

function arrayLayout(element: TypeLayout, count: number | undefined): TypeLayout {
  const stride = roundUp(element.size, element.align);
  return {
    size: (count ?? 0) * stride,
    align: element.align,
    element,
    stride,
    write: (view, at, value, place) => writeList(element, stride, count, view, at, value, place),
  };
}

function structLayout(
  struct: string,
  members: readonly { readonly name: string; readonly layout: TypeLayout }[],
): TypeLayout {
  const offsets: Record<string, number> = {};
  let end = 0;
  for (const { name, layout } of members) {
    const offset = roundUp(end, layout.align);
    offsets[name] = offset;
    end = offset + layout.size;
  }
  const align = Math.max(...members.map(({ layout }) => layout.align));
  // Made once: a launch of a small kernel takes no longer than making them.
  const places = members.map(({ name, layout }) => ({
    ...{ name, layout, offset: offsets[name]! },
    place: `Member "${name}" of struct ${struct}`,
  }));
  return {
    size: roundUp(end, align),
    align,
    offsets,
    write(view, at, value, place) {
      if (typeof value !== "object" || Array.isArray(value)) {
        throw new InternalError(`${place} is not an object with the members of struct ${struct}`);
      }
      const values = value as WgslValues;
      for (const { name, layout, offset, place } of places) {
        const member = values[name];
        if (member === undefined) {
          throw new InternalError(`Struct ${struct} is written without its member "${name}"`);
        }
        layout.write(view, at + offset, member, place);
      }
      let count = 0;
      for (const _ in values) count++;
      if (count === places.length) return;
      const unknown = Object.keys(values).find((name) => !(name in offsets));
      throw new InternalError(
        `Struct ${struct} has no member "${unknown}"; it has ${Object.keys(offsets).join(", ")}`,
      );
    },
  };
}

function writeList(
  element: TypeLayout,
  stride: number,
  count: number | undefined,
  view: DataView,
  at: number,
  value: WgslValue,
  place: string,
): void {
  if (!Array.isArray(value) || value.length !== (count ?? value.length)) {
    throw new InternalError(`${place} is not a list of ${count ?? "some"} values`);
  }
  for (const [i, x] of value.entries()) element.write(view, at + i * stride, x, place);
}

function roundUp(x: number, to: number): number {
  return Math.ceil(x / to) * to;
}
